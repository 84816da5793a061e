#!/bin/sh
# The main job from end to end, on real text, with nothing to answer and no network.
# `make demo` runs this; by hand: PATH="$PWD/.venv/bin:$PATH" sh examples/demo.sh
set -eu
cd "$(dirname "$0")/.."

# Everything the demo writes goes to out/, its cache too: your own cache stays as it is.
mkdir -p out
export VECLAB_HOME="$PWD/out/home"
export HF_HOME="$PWD/out/home/huggingface"
# The model comes with the installed packages: look nothing up, report nothing.
export HF_HUB_OFFLINE=1 HF_HUB_DISABLE_TELEMETRY=1 DO_NOT_TRACK=1

# Print a command as you would type it, then run it.
run() {
    printf '\n$'
    for word in "$@"; do
        case $word in
            *[!A-Za-z0-9_./=-]*) printf ' "%s"' "$word" ;;
            *) printf ' %s' "$word" ;;
        esac
    done
    printf '\n'
    "$@"
}

run veclab models
run veclab embed examples/packages.jsonl.gz --column description -o out/packages.parquet
run veclab inspect out/packages.parquet
run veclab similar "The cat sits on the mat" \
    "A feline rests on the carpet" "Stock markets fell sharply on Monday"
run veclab similar "play chess against the computer" --to out/packages.parquet --top 5
run veclab index examples/documents --store out/documents.store
run veclab ask "How long do the batteries of the outdoor unit last?" --store out/documents.store
# Last, so that the line that opens the map is the last one there.
run veclab map out/packages.parquet --color section -o out/map.html
