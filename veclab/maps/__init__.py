"""Maps: vectors laid out in two dimensions, with how far the picture is to be believed."""
