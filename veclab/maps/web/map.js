"use strict";(()=>{const h=JSON.parse(document.getElementById("head").textContent);document.getElementById("app").textContent=h.title+": "+h.n+" points";})();
