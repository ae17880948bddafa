// The live part of the page: one web socket, and custom elements that draw its data.
// No library, and nothing from other servers.

const GREEN = "#37b36b", YELLOW = "#e8b022", RED = "#e2453a";
const GLASS_ON = [174, 224, 255], GLASS_OFF = [4, 7, 10];
const css = (name) => getComputedStyle(document.body).getPropertyValue(name).trim();

// -- the link to the bench --------------------------------------------------------------------

const SILENT_MS = 800;  // the bench sends its readings every 100 ms, also while it is paused

class Bench extends EventTarget {
  front = {}; plant = {}; log = []; pixels = new Uint8Array(1024); brightness = 0;
  samples = { first: 0, taken: 0, size: 3000, width: 7, ring: new Float32Array(3000 * 7) };
  skin = null; skinField = null; live = false;
  glass = { lines: [], device: "", fitted: "", differs: false };
  heard = 0;       // when something was last received
  stale = true;    // what is shown is not what is now

  connect() {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = this.socket = new WebSocket(`${scheme}://${location.host}/bench/ws`);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => { this.live = true; this.tell("live"); };
    socket.onclose = () => { if (socket !== this.socket) return; this.live = false; this.watch(); this.tell("live"); setTimeout(() => this.connect(), 1000); };
    socket.onmessage = (message) => { this.heard = performance.now(); this.take(message.data); if (this.stale) this.watch(); };
  }
  tell(what) { this.dispatchEvent(new Event(what)); }
  // A bench that does not answer gets no press: it would take it later, when nobody expects it.
  // Letting go and the E-stop are never too late.
  do(act, what = "") {
    if (this.live && (!this.stale || act === "release" || act === "estop_open")) this.socket.send(JSON.stringify([act, what]));
  }
  watch() {
    const stale = !this.live || performance.now() - this.heard > SILENT_MS;
    if (stale === this.stale) return;
    this.stale = stale;
    this.tell("stale");
  }
  // What has happened to the device, besides. Kept over a reload: when the server is back, the page may
  // be loaded again after this socket has already met the new device.
  get notice() { return sessionStorage.getItem("notice") ?? ""; }
  set notice(words) { sessionStorage.setItem("notice", words); }
  // Another process has another device; so has this one after "New device".
  known(bench, session) {
    const before = sessionStorage.getItem("bench"), now = `${bench} ${session}`;
    sessionStorage.setItem("bench", now);
    if (!before || before === now) return;
    const restarted = before.split(" ")[0] !== bench;
    this.notice = restarted ? "The bench was started again. This is a new device: the session before, with its recording, is lost." : "";
    this.tell("notice");
  }

  take(data) {
    if (typeof data === "string") {
      const message = JSON.parse(data);
      if (message.session !== undefined && (message.session !== this.session || message.bench !== this.name)) {
        this.session = message.session; this.name = message.bench;
        this.known(message.bench, message.session);
        this.front = {};
        this.samples.taken = this.samples.first = 0;
        this.log = []; this.skin = this.skinField = null;
        for (const what of ["samples", "log", "skin"]) this.tell(what);
      }
      if (message.front) { Object.assign(this.front, message.front); this.tell("front"); }
      if (message.plant) { this.plant = message.plant; this.tell("plant"); }
      if (message.log) { this.log.push(...message.log); this.log.splice(0, this.log.length - 200); this.tell("log"); }
      if (message.glass) { this.glass = message.glass; this.tell("glass"); }
      if (message.skin) { this.skin = message.skin; this.tell("skin"); }
      return;
    }
    const kind = new Uint8Array(data, 0, 1)[0];
    if (kind === 1) {
      this.brightness = new Uint8Array(data, 1, 1)[0] / 255;
      this.pixels = new Uint8Array(data, 4);
      this.tell("pixels");
    } else if (kind === 2) {
      const s = this.samples, first = new Uint32Array(data, 4, 1)[0], rows = new Float32Array(data, 8);
      if (first !== s.taken) s.first = first;
      for (let i = 0; i < rows.length; i += s.width) {
        s.ring.set(rows.subarray(i, i + s.width), ((first + i / s.width) % s.size) * s.width);
      }
      s.taken = first + rows.length / s.width;
      s.first = Math.max(s.first, s.taken - s.size);
      this.tell("samples");
    } else if (kind === 3) {
      this.skinField = new Int16Array(data, 4);
      this.tell("skin");
    }
  }
}
const bench = new Bench();
window.cryoBench = bench; // for measurements
setInterval(() => bench.watch(), 100);
bench.addEventListener("stale", () => document.body.classList.toggle("stale", bench.stale));
const lost = () => bench.stale && bench.heard > 0;  // there was something that is now old

// -- sound ------------------------------------------------------------------------------------

const sound = {
  on: localStorage.getItem("sound") !== "off", context: null,
  // Browsers require a gesture before sound. Creating the context takes some 60 ms and would delay
  // the first press, so it is done afterwards.
  wake() { if (this.on && !this.waking) this.waking = setTimeout(() => this.begin(), 150); },
  begin() {
    if (!this.on || this.context) return;
    const c = this.context = new AudioContext();
    this.tone = c.createOscillator(); this.tone.type = "square";
    const soften = c.createBiquadFilter(); soften.type = "lowpass"; soften.frequency.value = 5200;
    this.gain = c.createGain(); this.gain.gain.value = 0;
    this.tone.connect(soften).connect(this.gain).connect(c.destination);
    this.tone.start(); this.follow();
  },
  follow() {
    if (!this.context) return;
    const { tone_hz = 0, volume = 0 } = bench.front, t = this.context.currentTime;
    const loud = this.on && tone_hz && !bench.stale && !document.hidden ? 0.06 * Math.sqrt(volume) : 0;
    if (tone_hz) this.tone.frequency.setValueAtTime(tone_hz, t);
    this.gain.gain.setTargetAtTime(loud, t, 0.004);
  },
  set(on) { this.on = on; localStorage.setItem("sound", on ? "on" : "off"); this.begin(); this.follow(); },
};
bench.addEventListener("front", () => sound.follow());
bench.addEventListener("stale", () => sound.follow());

// -- the device's front -----------------------------------------------------------------------

const KEYS = {
  up: ["UP", "▲", "↑", ["ArrowUp"]], down: ["DOWN", "▼", "↓", ["ArrowDown"]],
  select: ["SELECT", "SELECT", "Enter", ["Enter"]], arm: ["ARM", "ARM", "A", ["a", "A"]],
  trigger: ["TRIGGER", "TRIGGER", "Space", [" "]],
};
const SAYS = { up: "more", down: "less", select: "next · mark", arm: "hold 1 s", trigger: "hold to freeze" };

customElements.define("cryo-front", class extends HTMLElement {
  connectedCallback() {
    if (this.canvas) return;
    const key = (name) => `<button class="key ${name}" data-key="${name}" aria-label="${KEYS[name][0]} ${SAYS[name]}" aria-pressed="false"><span${/^\w/.test(KEYS[name][1]) ? "" : ' aria-hidden="true"'}>${KEYS[name][1]}</span>
      <small>${SAYS[name]}</small><em class="pin" aria-hidden="true">held</em></button>`;
    this.innerHTML = `<section class="device" aria-label="Front of the device">
      <div class="bezel"><canvas role="img" aria-label="Screen of the device" aria-describedby="glass-text"></canvas>
        <span class="veil" hidden>paused</span></div>
      <p id="glass-text" class="unseen"></p><p class="unseen" role="status" data-says="screen"></p><p class="unseen" role="alert" data-says="alarm"></p>
      <div class="maker"><b>CRYODOSE</b><div class="lamps">
        ${[["green", GREEN, "ready"], ["yellow", YELLOW, "caution"], ["red", RED, "alarm"]].map(([name, hue, says]) =>
          `<span class="lamp" role="img" aria-label="${name} lamp, off" data-lamp="${name}" style="--hue:${hue};--on:0"><i></i></span>`).join("")}
      </div></div>
      <div class="keys">${key("up")}${key("down")}${key("select")}${key("arm")}</div>
      <div class="aim"><span id="aims">Nozzle</span><div role="radiogroup" aria-labelledby="aims">
      ${[["aim_at_skin", "at the skin"], ["aim_away", "pointed away"]].map(([act, says]) => `<button role="radio" data-aim="${act}">${says}</button>`).join("")}</div></div></section>
      <p class="hint">Keys: ${Object.entries(KEYS).map(([name, [label, , cap]]) => `<span><kbd>${cap}</kbd> ${label}</span>`).join("")}
      <span><kbd>Esc</kbd> E-stop</span><span><kbd>R</kbd> release it</span><span><kbd>N</kbd> point away, or back</span>
      <br><kbd>Shift</kbd> with a button holds it until it is pressed again.</p>`;
    this.querySelector(".keys").insertAdjacentHTML("beforeend", `
      <div class="dock">${key("trigger")}<div class="stop"><button class="mushroom" aria-pressed="false"
      aria-label="E-STOP. Emergency stop: press to stop, press again to release it"><span>E-STOP</span></button></div></div>`);
    // Where the device does not fit on the screen, TRIGGER and E-stop stay in reach at its lower edge.
    this.dock = this.querySelector(".dock");
    this.stop = this.querySelector(".mushroom");
    const small = matchMedia("(max-width: 860px), (max-height: 800px)");
    const place = () => {
      const host = small.matches ? document.querySelector("cryo-dock") : null;
      if (small.matches && !host) { requestAnimationFrame(place); return; }
      (host ?? this.querySelector(".keys")).append(this.dock);
      document.body.classList.toggle("docked", small.matches);
    };
    this.buttons = [...this.querySelectorAll(".key")];
    place(); small.addEventListener("change", place);
    this.canvas = this.querySelector("canvas");
    this.shown = new Uint8Array(1024);
    this.mine = new Set();
    this.latched = new Set();
    for (const button of this.buttons) this.wire(button);
    // A long touch holds a button; it must not open the context menu.
    for (const part of [this.querySelector(".device"), this.dock]) part.addEventListener("contextmenu", (event) => event.preventDefault());
    const stop = this.stop;
    stop.addEventListener("pointerdown", (event) => { event.preventDefault(); sound.wake(); this.strike(); });
    stop.addEventListener("keydown", (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); event.stopPropagation(); if (!event.repeat) this.strike(); } });
    for (const aim of this.querySelectorAll("[data-aim]")) {
      aim.addEventListener("click", () => bench.do(aim.dataset.aim));
      aim.addEventListener("keydown", (event) => {  // as in any radio group
        if (!event.key.startsWith("Arrow")) return;
        event.preventDefault();
        const other = aim.nextElementSibling ?? aim.previousElementSibling; other.focus(); other.click();
      });
    }
    // Remove the focus after a click or touch, so that Space is TRIGGER again.
    document.addEventListener("pointerup", () => setTimeout(() => {
      const at = document.activeElement;
      if (at !== document.body && !at?.closest?.("input:not([type=checkbox], [type=range]), textarea, .q-menu, .q-dialog, .q-select") && !at?.matches?.(":focus-visible")) at?.blur?.();
    }));
    // A list gives the focus back to its field when it has closed, however late that is. What was
    // chosen by pointer must not keep the keys, until somebody goes there on purpose.
    document.addEventListener("pointerup", (event) => {
      if (!event.target.closest?.(".q-menu")) return;
      this.chosen = true;
      setTimeout(() => document.activeElement?.blur?.());
    });
    document.addEventListener("focusin", (event) => { if (this.chosen) event.target.blur(); });
    document.addEventListener("pointerdown", () => { this.chosen = false; });
    document.addEventListener("keydown", (event) => { if (event.key === "Tab") this.chosen = false; });
    document.addEventListener("keydown", (event) => this.keyboard(event, true));
    document.addEventListener("keyup", (event) => this.keyboard(event, false));
    window.addEventListener("blur", () => this.letGo());
    document.addEventListener("visibilitychange", () => { if (document.hidden) this.letGo(); sound.follow(); });
    new ResizeObserver(() => this.resize()).observe(this.querySelector(".bezel"));
    window.addEventListener("resize", () => this.resize());
    bench.addEventListener("pixels", () => this.draw());
    bench.addEventListener("front", () => this.lamps());
    bench.addEventListener("stale", () => {
      if (bench.stale) { this.latched.clear(); this.letGo(); }
      this.lamps(); this.draw();
    });
    bench.addEventListener("glass", () => this.say());
    bench.addEventListener("plant", () => { this.querySelector(".veil").hidden = !bench.plant.paused; });
    this.resize();
  }

  // The screen in words. All of it is read where it stands; said aloud is only what is new in words,
  // as a clock that counts down would never let anything else be heard.
  say() {
    const text = bench.glass.lines.join(". "), wording = text.replace(/[\d.,]+/g, "#");
    const put = (at, words) => { if (at.textContent !== words) at.textContent = words; };
    put(this.querySelector("#glass-text"), text || "dark");
    const alarm = bench.front.state === "FAULT";
    put(this.querySelector("[data-says=alarm]"), alarm ? `Alarm: ${text}` : "");
    clearTimeout(this.quiet);
    const announce = () => put(this.querySelector("[data-says=screen]"), alarm ? "" : text);
    if (wording !== this.wording) { this.wording = wording; announce(); }
    else this.quiet = setTimeout(announce, 1500);  // a depth that was set
  }

  wire(button) {
    const name = button.dataset.key;
    button.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      event.preventDefault(); sound.wake();
      if (this.latched.has(name)) { this.latched.delete(name); this.up(name); return; }
      if (event.shiftKey) this.latched.add(name); else button.setPointerCapture(event.pointerId);
      this.down(name);
    });
    const lift = () => { if (!this.latched.has(name)) this.up(name); };
    for (const type of ["pointerup", "pointercancel", "lostpointercapture"]) button.addEventListener(type, lift);
  }
  down(name) { if (!this.mine.has(name)) { this.mine.add(name); bench.do("hold", name); this.lamps(); } }
  up(name) { if (this.mine.delete(name)) { bench.do("release", name); this.lamps(); } }
  letGo() { for (const name of [...this.mine]) if (!this.latched.has(name)) this.up(name); }
  strike() { bench.do(bench.front.estop_open ? "estop_close" : "estop_open"); }

  keyboard(event, isDown) {
    const at = event.target;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    // Escape is the E-stop wherever the focus is. Where it closes a menu, it does both.
    if (isDown && event.key === "Escape" && !event.repeat) { bench.do("estop_open"); if (!document.querySelector(".q-menu, .q-dialog")) return; }
    const letting = !isDown && [...this.mine].some((name) => KEYS[name][3].includes(event.key));
    if (!letting) {
      if (at.closest?.("input:not([type=checkbox]), textarea, select, [contenteditable], .q-slider, .q-menu, .q-dialog")) return;
      const own = (event.key === "Enter" || event.key === " ") && at.closest?.("button, a, [role=button], [role=switch], [role=tab], [role=radio], .q-toggle");
      if (own && !at.closest(".key, .mushroom")) return;
      if (at.closest?.("[role=tab], [role=radio], .log") && event.key.startsWith("Arrow")) return;
    }
    if (isDown && event.key.toLowerCase() === "r" && !event.repeat) { bench.do("estop_close"); return; }
    if (isDown && event.key.toLowerCase() === "n" && !event.repeat) { bench.do(bench.front.aimed_away ? "aim_at_skin" : "aim_away"); return; }
    // A button focused with Tab is pressed by Enter and Space, like any button.
    const own = event.key === "Enter" || event.key === " " ? at.closest?.(".key")?.dataset.key : undefined;
    const name = own ?? Object.keys(KEYS).find((each) => KEYS[each][3].includes(event.key));
    if (!name) return;
    event.preventDefault();
    if (event.repeat) return;
    sound.wake();
    if (!isDown) { if (!this.latched.has(name)) this.up(name); return; }
    if (this.latched.delete(name)) { this.up(name); return; }
    if (event.shiftKey) this.latched.add(name);
    this.down(name);
  }

  lamps() {
    const { lamps = [0, 0, 0], held = [], estop_open } = bench.front;
    this.querySelectorAll(".lamp").forEach((lamp, i) => {
      lamp.style.setProperty("--on", bench.stale ? 0 : lamps[i]);
      lamp.setAttribute("aria-label", `${lamp.dataset.lamp} lamp (${["ready", "caution", "alarm"][i]}), ${bench.stale ? "unknown" : lamps[i] > 0 ? "on" : "off"}`);
    });
    for (const button of this.buttons) {
      const name = button.dataset.key, pressed = this.mine.has(name) || held.includes(name);
      button.classList.toggle("down", pressed);
      button.classList.toggle("latched", this.latched.has(name));
      button.setAttribute("aria-pressed", pressed);
    }
    for (const aim of this.querySelectorAll("[data-aim]")) {
      const chosen = (aim.dataset.aim === "aim_away") === Boolean(bench.front.aimed_away);
      aim.setAttribute("aria-checked", chosen); aim.tabIndex = chosen ? 0 : -1;
    }
    const stop = this.stop, says = estop_open ? "TURN BACK" : "E-STOP";
    stop.setAttribute("aria-pressed", Boolean(estop_open));
    if (stop.firstElementChild.textContent !== says) {
      stop.firstElementChild.textContent = says;
      stop.setAttribute("aria-label", `${says}. Emergency stop: ${estop_open ? "it is pressed; press to turn it back" : "press to stop"}`);
    }
  }

  resize() {
    const ratio = window.devicePixelRatio || 1, bezel = this.querySelector(".bezel");
    const edge = getComputedStyle(bezel), room = bezel.clientWidth - parseFloat(edge.paddingLeft) - parseFloat(edge.paddingRight);
    const high = innerHeight <= 520 ? .45 * innerHeight : Infinity;
    if (room <= 0) return;
    const dot = Math.max(1, Math.floor(Math.min(room * ratio / 128, high * ratio / 64)));
    if (dot === this.dot && ratio === this.ratio) return;
    this.dot = dot; this.ratio = ratio;
    Object.assign(this.canvas, { width: 128 * dot, height: 64 * dot });
    Object.assign(this.canvas.style, { width: `${128 * dot / ratio}px`, height: `${64 * dot / ratio}px` });
    this.shown = null;
    this.draw();
  }
  draw() {
    const context = this.canvas.getContext("2d", { alpha: false }), { pixels, brightness } = bench, dot = this.dot;
    const all = !this.shown || this.lit !== brightness, gap = dot >= 5 ? 1 : 0;
    if (all) {
      context.fillStyle = `rgb(${GLASS_OFF})`;
      context.fillRect(0, 0, this.canvas.width, this.canvas.height);
      this.shown = new Uint8Array(1024); this.lit = brightness;
    }
    const on = new Path2D(), off = new Path2D();
    for (let at = 0; at < 1024; at++) {
      const now = pixels[at]; let differs = now ^ this.shown[at];
      for (let bit = 0; differs; bit++, differs >>= 1) {
        if (differs & 1) (now >> bit & 1 ? on : off).rect((at & 127) * dot, ((at >> 7) * 8 + bit) * dot, dot - gap, dot - gap);
      }
    }
    context.fillStyle = `rgb(${GLASS_OFF})`; context.fill(off);
    context.fillStyle = `rgb(${GLASS_ON.map((c, i) => GLASS_OFF[i] + (c - GLASS_OFF[i]) * brightness)})`; context.fill(on);
    if (bench.stale) { context.fillStyle = `rgba(${GLASS_OFF}, .7)`; context.fillRect(0, 0, this.canvas.width, this.canvas.height); this.shown = null; return; }
    this.shown.set(pixels);
    this.canvas.dataset.drawn = (Number(this.canvas.dataset.drawn) || 0) + 1;
  }
});

// -- state and time ---------------------------------------------------------------------------

const KIND = { READY: "ready", DONE: "ready", OBSERVE: "ready", ARMED: "armed", SCREENING: "armed", PRECHILL: "armed", FREEZING: "cold", THAWING: "cold", FAULT: "bad" };
const clock = (ms) => {
  const s = ms / 1000, h = Math.floor(s / 3600), m = Math.floor(s / 60) % 60;
  return `${h ? h + ":" : ""}${String(m).padStart(h ? 2 : 1, "0")}:${(s % 60).toFixed(1).padStart(4, "0")}`;
};
customElements.define("cryo-clock", class extends HTMLElement {
  connectedCallback() {
    this.innerHTML = `<span class="chip" role="status"></span><span class="t"></span>`;
    for (const what of ["front", "plant", "stale"]) bench.addEventListener(what, () => this.show());
    this.show();
  }
  show() {
    const chip = this.firstElementChild, { state: reported = "", powered } = bench.front;
    const state = lost() ? "NO CONNECTION" : bench.stale ? "connecting" : powered && reported === "OFF" ? "starting" : reported;
    if (chip.textContent !== state) { chip.textContent = state; chip.dataset.kind = KIND[state] ?? (lost() ? "bad" : ""); }
    const { t_ms, speed, requested, reached, paused } = bench.plant, t = this.lastElementChild;
    const slow = !paused && reached < 0.8 * requested, times = reached < .95 ? reached.toFixed(2) : reached < 9.95 ? reached.toFixed(1) : Math.round(reached);
    const why = slow ? " · all this computer can do" : requested < speed ? " while you work" : "";
    t.textContent = t_ms === undefined ? "" : `${clock(t_ms)} · ${paused ? "paused" : `${times} ×${why}`}`;
    t.classList.toggle("slow", slow);
    t.title = "The device's time and its actual speed." + (slow ? " Presses are queued until the device has sampled them." : "");
  }
});
customElements.define("cryo-trouble", class extends HTMLElement {
  connectedCallback() { for (const what of ["front", "stale", "notice"]) bench.addEventListener(what, () => this.show()); this.show(); }
  show() {
    const words = [], error = bench.front.error;
    if (lost()) {
      const at = bench.plant.t_ms === undefined ? "" : ` What is shown is from ${clock(bench.plant.t_ms)} of the device's time, not live.`;
      words.push((bench.live ? "The bench does not answer: it hangs, or this computer is busy." : "No connection to the bench: the program was ended, or has failed.")
        + at + " All buttons were let go. " + (bench.live ? "The E-stop is taken as soon as the bench answers." : "If it stays so, start it again: cryo panel."));
    } else if (error) words.push(`The simulated device has stopped: ${error}. Create a new one under “Session”.`);
    if (bench.notice) words.push(bench.notice);
    if (this.said === words.join()) return;
    this.said = words.join();
    this.replaceChildren(...words.map((each) => {
      const box = document.createElement("div"); box.className = "trouble"; box.textContent = each;
      if (each === bench.notice) {
        const close = document.createElement("button"); close.className = "dismiss"; close.textContent = "Understood";
        close.addEventListener("click", () => { bench.notice = ""; this.show(); }); box.append(close);
      }
      return box;
    }));
  }
});

customElements.define("cryo-pace", class extends HTMLElement {
  connectedCallback() {
    if (this.range) return;
    this.innerHTML = `<button class="pause" aria-label="Pause"></button>
      <input type="range" min="-10" max="20" step="1" value="0" aria-label="Speed, 0.1 to 100 times" aria-valuetext="1 times"><output class="pace-label">1 ×</output>`;
    this.range = this.querySelector("input"); this.label = this.querySelector("output"); this.button = this.querySelector("button");
    this.button.addEventListener("click", () => bench.do(bench.plant.paused ? "continue" : "pause"));
    this.range.addEventListener("input", () => { this.moved = performance.now(); bench.do("speed", Number((10 ** (this.range.value / 10)).toPrecision(2))); this.show(); });
    this.range.addEventListener("keydown", (event) => {  // by a factor of ten
      const by = { PageUp: 10, PageDown: -10 }[event.key]; if (!by) return;
      event.preventDefault(); this.range.value = Number(this.range.value) + by; this.range.dispatchEvent(new Event("input"));
    });
    bench.addEventListener("plant", () => this.show()); this.show();
  }
  show() {
    const { speed = 1, paused = false, exercise = false } = bench.plant;
    // What the bench says holds; while the slider is being moved, it is a little behind.
    if (!(performance.now() - this.moved < 400)) this.range.value = Math.round(10 * Math.log10(speed));
    const times = Number((10 ** (this.range.value / 10)).toPrecision(2)), words = `${times} ×`;
    this.range.disabled = exercise; this.title = exercise ? "An exercise runs at 1 ×." : "";
    if (this.label.textContent !== words) { this.label.textContent = words; this.range.setAttribute("aria-valuetext", `${times} times`); }
    const act = paused ? "Continue" : "Pause";
    if (this.button.getAttribute("aria-label") !== act) { this.button.setAttribute("aria-label", act); this.button.title = act; }
    this.button.classList.toggle("on", paused);
  }
});

customElements.define("cryo-fitted", class extends HTMLElement {
  connectedCallback() { bench.addEventListener("glass", () => this.show()); this.show(); }
  show() {
    const { device, fitted, differs } = bench.glass;
    const words = !device ? "" : differs ? `The device is set to ${device}, but ${fitted} is fitted: its time is for another applicator. Change one of them.` : `Device: ${device}, as fitted`;
    this.classList.toggle("differs", differs);
    if (this.textContent !== words) this.textContent = words;
  }
});

// -- the plant --------------------------------------------------------------------------------

customElements.define("cryo-plant", class extends HTMLElement {
  connectedCallback() {
    if (this.parts) return;
    this.innerHTML = `<svg viewBox="0 0 620 232" role="img" aria-label="Dewar, valve, line and nozzle">
      <defs><clipPath id="flask"><path d="M36 62 q0-14 14-16 v-14 h52 v14 q14 2 14 16 v136 q0 18-18 18 h-44 q-18 0-18-18z"/></clipPath></defs>
      <path d="M36 62 q0-14 14-16 v-14 h52 v14 q14 2 14 16 v136 q0 18-18 18 h-44 q-18 0-18-18z" fill="color-mix(in srgb, var(--gas) 18%, transparent)"/>
      <g clip-path="url(#flask)"><rect id="level" x="30" width="92" y="62" height="160" fill="var(--liquid)" opacity=".8"/></g>
      <path d="M36 62 q0-14 14-16 v-14 h52 v14 q14 2 14 16 v136 q0 18-18 18 h-44 q-18 0-18-18z" fill="none" stroke="var(--faint)" stroke-width="2.5"/>
      <rect x="46" y="22" width="60" height="12" rx="4" fill="var(--faint)"/>
      <path d="M76 204 V14 M76 14 H196" fill="none" stroke="var(--faint)" stroke-width="7" stroke-linejoin="round"/>
      <path id="feed" d="M76 204 V14 M76 14 H196" fill="none" stroke="var(--liquid)" stroke-width="3" stroke-linejoin="round" opacity=".75"/>
      <circle cx="150" cy="62" r="21" fill="var(--card)" stroke="var(--faint)" stroke-width="2"/>
      <path d="M150 14 v27" stroke="var(--faint)" stroke-width="3"/>
      <path d="M137.3 74.7 A18 18 0 1 1 162.7 74.7" fill="none" stroke="var(--line)" stroke-width="3"/>
      <path d="M137.3 74.7 A18 18 0 0 1 133 56.5" fill="none" stroke="var(--warn)" stroke-width="3" opacity=".6"/>
      <line id="needle" x1="150" y1="62" x2="150" y2="47" stroke="var(--ink)" stroke-width="2" stroke-linecap="round"/>
      <circle cx="150" cy="62" r="2.5" fill="var(--ink)"/>
      <text x="150" y="98" text-anchor="middle" class="says" id="mbar"></text>
      <text x="76" y="228" text-anchor="middle" class="says" id="permille"></text>
      <g><path id="body" d="M196 0 l34 14 -34 14z M264 0 l-34 14 34 14z" transform="translate(0 0)" fill="var(--card)" stroke="var(--ink)" stroke-width="2" stroke-linejoin="round"/>
        <path d="M230 14 V46" stroke="var(--ink)" stroke-width="3"/>
        <rect id="coil" x="208" y="46" width="44" height="32" rx="5" fill="var(--card)" stroke="var(--ink)" stroke-width="2"/>
        <path d="M216 70 l7-16 7 16 7-16 7 16" fill="none" stroke="var(--soft)" stroke-width="1.8"/>
        <text x="230" y="98" text-anchor="middle" class="says" id="ma"></text></g>
      <g id="switches">
        <path d="M230 132 V112" stroke="var(--faint)" stroke-width="2"/>
        ${[["gate", 152, "GATE", "dose timer"], ["supply", 192, "SUPPLY", "dead-man"]].map(([id, y, label, says]) => `
        <circle id="${id}" cx="230" cy="${y}" r="8" fill="var(--card)" stroke="var(--faint)" stroke-width="2"/>
        <text x="246" y="${y}" class="name">${label}</text><text x="246" y="${y + 13}" class="says">${says}</text>`).join("")}
        <path d="M230 162 V182 M230 134 V142 M230 202 V216 M222 216 h16" stroke="var(--faint)" stroke-width="2"/></g>
      <path d="M264 14 H470 q28 0 28 28 V84" fill="none" stroke="var(--faint)" stroke-width="7"/>
      <path id="line" d="M264 14 H470 q28 0 28 28 V84" fill="none" stroke="var(--liquid)" stroke-width="3"/>
      <g id="tip"><path d="M484 80 h28 l-7 30 h-14z" fill="var(--shell-edge)" stroke="var(--ink)" stroke-width="2" stroke-linejoin="round"/>
      <path id="jet" d="M494 112 h8 l26 84 h-60z" fill="var(--liquid)" opacity="0"/></g>
      <path d="M396 198 q52-8 102-8 t104 8 v16 h-206z" fill="#e9b8a0" opacity=".75"/><path id="frost" d="M464 196 q34-10 68 0z" fill="#fff" opacity="0"/>
      <text x="614" y="70" text-anchor="end" id="nozzle" class="much"></text>
      <text x="614" y="85" text-anchor="end" class="says">nozzle</text><text x="366" y="36" text-anchor="middle" id="flow"></text>
    </svg>
    <div class="readings">${[["nozzle_c", "Nozzle"], ["dewar_mbar", "Pressure"], ["level", "Liquid left"], ["coil_ma", "Coil"], ["flow_g_s", "Flow"], ["opened", "Was open"]].map(([id, label]) =>
      `<div class="reading"><span>${label}</span><output data-r="${id}" aria-live="off" aria-label="${label}">–</output></div>`).join("")}</div>`;
    this.parts = Object.fromEntries([...this.querySelectorAll("[id]")].map((part) => [part.id, part]));
    for (const what of ["plant", "stale"]) bench.addEventListener(what, () => this.show());
  }
  show() {
    if (bench.stale || bench.plant.t_ms === undefined) { this.unknown(); return; }
    const p = bench.plant, s = this.parts, num = (v, d = 0) => v.toFixed(d).replace("-", "−");
    const put = (id, value, unit) => { const html = `${value}<small>${unit}</small>`, at = this.querySelector(`[data-r=${id}]`); if (at.innerHTML !== html) at.innerHTML = html; };
    put("nozzle_c", num(p.nozzle_c, 1), "°C"); put("dewar_mbar", num(p.dewar_mbar), "mbar"); put("level", num(p.level_permille / 10, 1), "%");
    put("coil_ma", num(p.coil_ma), "mA"); put("flow_g_s", num(p.flow_g_s, 2), "g/s"); put("opened", p.openings ? num(p.opened_ms / 1000, 3) : "–", p.openings ? "s" : "");
    const top = 206 - 148 * p.level_permille / 1000;
    s.level.setAttribute("y", top); s.level.setAttribute("height", 220 - top);
    s.needle.setAttribute("transform", `rotate(${-135 + 270 * Math.min(1, p.dewar_mbar / 1500)} 150 62)`);
    s.mbar.textContent = `${num(p.dewar_mbar)} mbar`; s.permille.textContent = `${num(p.level_permille / 10, 1)} % LN₂`;
    s.ma.textContent = `coil ${num(p.coil_ma)} mA`;
    s.coil.setAttribute("fill", p.coil_ma > 50 ? "color-mix(in srgb, var(--warn) 45%, var(--card))" : "var(--card)");
    s.body.setAttribute("fill", p.valve_open ? "var(--liquid)" : "var(--card)");
    for (const id of ["gate", "supply"]) s[id].setAttribute("fill", p[id] ? "var(--good)" : "var(--card)");
    const hue = p.liquid ? "var(--liquid)" : "var(--gas)";
    s.line.setAttribute("stroke", hue); s.line.setAttribute("opacity", p.valve_open ? 1 : 0);
    s.feed.setAttribute("opacity", p.level_permille > 0 ? .75 : .1);
    s.jet.setAttribute("fill", hue); s.jet.setAttribute("opacity", p.flow_g_s > 0.001 ? (p.liquid ? .8 : .4) : 0);
    s.flow.textContent = p.flow_g_s > 0.001 ? `${num(p.flow_g_s, 2)} g/s ${p.liquid ? "liquid" : "gas"}` : "";
    s.tip.setAttribute("transform", bench.front.aimed_away ? "rotate(62 498 84)" : "");
    s.nozzle.textContent = `${num(p.nozzle_c)} °C`;
    s.frost.setAttribute("opacity", bench.skin && bench.skin.surface_c < -0.6 ? .9 : 0);
  }
  unknown() {  // neither open nor closed, neither spraying nor not: nobody knows
    const s = this.parts;
    for (const reading of this.querySelectorAll("[data-r]")) reading.textContent = "–";
    for (const id of ["line", "jet", "frost", "feed"]) s[id].setAttribute("opacity", 0);
    for (const id of ["body", "coil", "gate", "supply"]) s[id].setAttribute("fill", "var(--line)");
    for (const id of ["flow", "nozzle", "mbar", "permille", "ma"]) s[id].textContent = id === "nozzle" ? "?" : "";
  }
});

// -- canvases ---------------------------------------------------------------------------------

class Drawn extends HTMLElement {
  begin(height) {
    const canvas = this.canvas, ratio = window.devicePixelRatio || 1, width = this.clientWidth;
    if (!width) return null;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio); canvas.height = Math.round(height * ratio); canvas.style.height = `${height}px`;
    }
    const c = canvas.getContext("2d");
    c.setTransform(ratio, 0, 0, ratio, 0, 0); c.clearRect(0, 0, width, height);
    c.font = `11px ${getComputedStyle(document.body).fontFamily}`;
    return c;
  }
  later() {
    if (this.asked) return;
    this.asked = true;
    requestAnimationFrame(() => { this.asked = false; this.draw(); });
  }
  watch(...what) {
    for (const each of what) bench.addEventListener(each, () => this.later());
    new ResizeObserver(() => this.later()).observe(this);
    new MutationObserver(() => this.later()).observe(document.body, { attributes: true, attributeFilter: ["class"] });
    this.later();
  }
}

customElements.define("cryo-plot", class extends Drawn {
  connectedCallback() {
    if (this.canvas) return;
    this.innerHTML = `<canvas role="img" aria-label="Nozzle temperature, dewar pressure and valve over time"></canvas>
      <div class="legend"><span><i style="background:var(--accent)"></i>nozzle, °C</span><span><i style="background:repeating-linear-gradient(90deg, var(--violet) 0 5px, transparent 5px 8px)"></i>dewar, mbar</span>
      <span><i style="background:var(--good);height:8px"></i>valve open</span><span><i style="background:var(--liquid);height:8px"></i>liquid</span>
      <span style="margin-left:auto" role="group" aria-label="Time shown">${[60, 180, 600].map((s) => `<button class="span" data-s="${s}" aria-pressed="${s === 60}">${s / 60} min</button>`).join("")}</span></div>`;
    this.canvas = this.querySelector("canvas"); this.span = 60;
    for (const button of this.querySelectorAll(".span")) button.addEventListener("click", () => { this.span = Number(button.dataset.s); this.later(); });
    this.watch("samples");
  }
  draw() {
    const height = 216, c = this.begin(height); if (!c) return;
    for (const b of this.querySelectorAll(".span")) b.setAttribute("aria-pressed", Number(b.dataset.s) === this.span);
    const s = bench.samples, width = this.clientWidth, left = 36, right = width - 36, top = 8, low = height - 40, band = height - 34;
    const at = (i, k) => s.ring[(i % s.size) * s.width + k];
    const end = s.taken ? Math.max(at(s.taken - 1, 0), this.span) : this.span, begin = end - this.span;
    const x = (t) => left + (t - begin) / this.span * (right - left);
    const yc = (v) => low - (v + 200) / 240 * (low - top), yp = (v) => low - v / 1200 * (low - top);
    c.lineWidth = 1; c.textBaseline = "middle";
    for (const v of [0, -50, -100, -150, -196]) {
      c.strokeStyle = css("--line"); c.beginPath(); c.moveTo(left, yc(v) + .5); c.lineTo(right, yc(v) + .5); c.stroke();
      c.fillStyle = css("--accent"); c.textAlign = "right"; c.fillText(String(v).replace("-", "−"), left - 6, yc(v));
    }
    c.fillStyle = css("--violet"); c.textAlign = "left";
    for (const v of [0, 300, 600, 900]) c.fillText(v, right + 6, yp(v));
    c.fillStyle = css("--soft"); c.textAlign = "center";
    const step = this.span / 6;
    for (let t = Math.ceil(begin / step) * step; t <= end; t += step) c.fillText(clock(t * 1000).replace(/\.\d$/, ""), x(t), height - 7);
    let from = s.taken;
    while (from > s.first && at(from - 1, 0) >= begin) from--;
    c.save(); c.beginPath(); c.rect(left, 0, right - left, height); c.clip();
    const hues = { 4: css("--good"), 12: css("--liquid") };
    for (let i = Math.max(from, s.first + 1), since = i; i <= s.taken; i++) {  // one bar per run of equal values
      const was = at(i - 1, 6) & 12, now = i < s.taken ? at(i, 6) & 12 : -1;
      if (i > since && now === was) continue;
      if (hues[was] && i > since) { c.fillStyle = hues[was]; c.fillRect(x(at(since - 1, 0)), band, x(at(i - 1, 0)) - x(at(since - 1, 0)), 9); }
      since = i;
    }
    for (const [k, y, hue] of [[2, yp, "--violet"], [1, yc, "--accent"]]) {
      c.strokeStyle = css(hue); c.lineWidth = k === 1 ? 2 : 1.4; c.lineJoin = "round"; c.setLineDash(k === 2 ? [7, 4] : []); c.beginPath();
      const skip = Math.max(1, Math.floor((s.taken - from) / 1200));
      for (let i = Math.max(from - 1, s.first), n = 0; i < s.taken; i += skip) { const px = x(at(i, 0)), py = y(at(i, k)); if (n++) c.lineTo(px, py); else c.moveTo(px, py); }
      c.stroke(); c.setLineDash([]);
    }
    c.restore();
  }
});

customElements.define("cryo-skin", class extends Drawn {
  connectedCallback() {
    if (this.canvas) return;
    this.innerHTML = `<canvas role="img" aria-label="Cross-section of the skin with isotherms"></canvas>
      <div class="legend"><span><i style="background:#fff;outline:1px solid var(--faint)"></i>ice</span><span><i style="background:#7fd0ff"></i>−25 °C</span><span><i style="background:#16407a;outline:1px solid var(--faint)"></i>−50 °C</span></div>
      <div class="readings">${[["ice", "Ice, depth"], ["wide", "Ice, across"], ["m25", "−25 °C"], ["deepest", "deepest yet"]].map(([id, label]) => `<div class="reading"><span>${label}</span><output data-r="${id}" aria-live="off" aria-label="${label}">–</output></div>`).join("")}</div>`;
    this.canvas = this.querySelector("canvas");
    this.watch("skin");
  }
  static colour(t) {
    const stops = [[-196, 30, 20, 70], [-100, 28, 60, 130], [-50, 50, 120, 190], [-25, 110, 185, 225], [-0.6, 222, 238, 245], [0, 238, 212, 200], [22, 240, 190, 165], [37, 226, 150, 130]];
    let i = 1; while (i < stops.length - 1 && t > stops[i][0]) i++;
    const [a, b] = [stops[i - 1], stops[i]], f = Math.min(1, Math.max(0, (t - a[0]) / (b[0] - a[0])));
    return [1, 2, 3].map((k) => a[k] + (b[k] - a[k]) * f);
  }
  draw() {
    const skin = bench.skin, field = bench.skinField;
    for (const [id, key, d] of [["ice", "ice_mm", 1], ["wide", "wide_mm", 1], ["m25", "m25_mm", 1], ["deepest", "deepest_mm", 2]]) {
      const html = skin ? `${skin[key].toFixed(d)}<small>mm</small>` : "–", at = this.querySelector(`[data-r=${id}]`);
      if (at.innerHTML !== html) at.innerHTML = html;
    }
    const width = this.clientWidth, columns = skin?.columns ?? 32, rows = skin?.rows ?? 32, mm = skin?.mm ?? .25;
    const scale = (width - 34) / (2 * columns * mm), height = Math.round(rows * mm * scale) + 26, c = this.begin(height); if (!c) return;
    const mid = 34 + (width - 34) / 2, top = 22;
    if (!this.image || this.image.width !== columns * 2) { this.image = new OffscreenCanvas(columns * 2, rows); }
    const ic = this.image.getContext("2d"), data = ic.createImageData(columns * 2, rows);
    const t = (r, z) => field && field.length === rows * columns ? field[z * columns + r] / 10 : 37 - 4 * Math.exp(-z * mm / 4);
    for (let z = 0; z < rows; z++) for (let r = 0; r < columns; r++) {
      const hue = this.constructor.colour(t(r, z));
      for (const px of [columns + r, columns - 1 - r]) { const at = 4 * (z * columns * 2 + px); data.data[at] = hue[0]; data.data[at + 1] = hue[1]; data.data[at + 2] = hue[2]; data.data[at + 3] = 255; }
    }
    ic.putImageData(data, 0, 0);
    c.imageSmoothingEnabled = true; c.imageSmoothingQuality = "high";
    c.save(); c.beginPath(); c.roundRect(34, top, width - 34, rows * mm * scale, [0, 0, 8, 8]); c.clip();
    c.drawImage(this.image, 34, top, width - 34, rows * mm * scale);
    if (field) for (const [level, hue, w] of [[-0.6, "#fff", 2], [-25, "#7fd0ff", 1.8], [-50, "#16407a", 1.6]]) this.contour(c, t, columns, rows, level, hue, w, mid, top, mm * scale);
    if (skin?.lesion_mm) {
      c.setLineDash([3, 3]); c.strokeStyle = "rgb(120 30 40 / .7)"; c.lineWidth = 1.2;
      c.beginPath(); c.moveTo(34, top + skin.lesion_mm * scale); c.lineTo(width, top + skin.lesion_mm * scale); c.stroke(); c.setLineDash([]);
    }
    c.restore();
    c.fillStyle = css("--soft"); c.textBaseline = "middle"; c.textAlign = "right";
    for (let z = 0; z <= rows * mm; z += 2) c.fillText(`${z}`, 26, Math.max(top + 5, Math.min(top + z * scale, height - 6)));
    c.save(); c.translate(8, top + rows * mm * scale / 2); c.rotate(-Math.PI / 2); c.textAlign = "center"; c.fillText("mm deep", 0, 0); c.restore();
    const spot = skin?.spot_mm ?? 2.5, spraying = bench.plant.liquid && bench.plant.valve_open;
    c.strokeStyle = spraying ? css("--liquid") : css("--faint"); c.lineWidth = 3; c.beginPath(); c.moveTo(mid - spot * scale, top - 3); c.lineTo(mid + spot * scale, top - 3); c.stroke();
    c.fillStyle = css("--soft"); c.textAlign = "center"; c.fillText(`spot ${2 * spot} mm`, mid, top - 13);
    const behind = skin && bench.plant.t_ms / 1000 - skin.t_s > 3 && (skin.ice_mm > 0 || bench.plant.liquid);
    if (behind) { c.textAlign = "right"; c.fillText(`as it was at ${clock(skin.t_s * 1000)}`, width, top - 13); }
  }
  contour(c, t, columns, rows, level, hue, line, mid, top, cell) {
    c.strokeStyle = hue; c.lineWidth = line; c.beginPath();
    const px = (r) => (r + .5) * cell, edge = (a, b) => (level - a) / (b - a);
    for (let z = 0; z < rows - 1; z++) for (let r = 0; r < columns - 1; r++) {
      const a = t(r, z), b = t(r + 1, z), d = t(r, z + 1), e = t(r + 1, z + 1), cut = [];
      if ((a < level) !== (b < level)) cut.push([r + edge(a, b), z]);
      if ((b < level) !== (e < level)) cut.push([r + 1, z + edge(b, e)]);
      if ((d < level) !== (e < level)) cut.push([r + edge(d, e), z + 1]);
      if ((a < level) !== (d < level)) cut.push([r, z + edge(a, d)]);
      for (let i = 0; i + 1 < cut.length; i += 2) for (const side of [1, -1]) {
        c.moveTo(mid + side * px(cut[i][0]), top + px(cut[i][1])); c.lineTo(mid + side * px(cut[i + 1][0]), top + px(cut[i + 1][1]));
      }
    }
    // Extend the contours over the half cells outside the mesh: to the surface and across the axis.
    for (let r = 0; r < columns - 1; r++) if ((t(r, 0) < level) !== (t(r + 1, 0) < level)) {
      const at = px(r + edge(t(r, 0), t(r + 1, 0)));
      for (const side of [1, -1]) { c.moveTo(mid + side * at, top); c.lineTo(mid + side * at, top + cell / 2); }
    }
    for (let z = 0; z < rows - 1; z++) if ((t(0, z) < level) !== (t(0, z + 1) < level)) {
      const at = px(z + edge(t(0, z), t(0, z + 1))); c.moveTo(mid - cell / 2, top + at); c.lineTo(mid + cell / 2, top + at);
    }
    c.stroke();
  }
});

customElements.define("cryo-log", class extends HTMLElement {
  connectedCallback() {
    if (this.list) return;
    this.innerHTML = `<ol class="log" aria-label="Events, newest first" tabindex="0"></ol>`; this.list = this.firstElementChild; this.last = 0;
    bench.addEventListener("log", () => this.show()); this.show();
  }
  show() {
    if (!bench.log.length) { this.list.replaceChildren(); this.last = 0; return; }
    for (const [number, t_ms, kind, words] of bench.log) {
      if (number <= this.last) continue;
      this.last = number;
      const item = document.createElement("li"), time = document.createElement("time"), what = document.createElement("span");
      time.textContent = clock(t_ms); what.textContent = words; what.dataset.kind = kind;
      item.append(time, what); this.list.prepend(item);
    }
    while (this.list.childElementCount > 200) this.list.lastElementChild.remove();
  }
});

// The two switches of the bar that are stored in the browser: sound, and light or dark.
const showSound = () => document.querySelector(".sounding")?.setAttribute("aria-pressed", sound.on);
window.cryoSound = () => { sound.set(!sound.on); showSound(); };
window.cryoTheme = () => {
  Quasar.Dark.set(!Quasar.Dark.isActive);
  localStorage.setItem("theme", Quasar.Dark.isActive ? "dark" : "light");
};
bench.addEventListener("live", () => {
  const theme = localStorage.getItem("theme");
  if (theme) Quasar.Dark.set(theme === "dark");
  showSound();
}, { once: true });
bench.connect();
