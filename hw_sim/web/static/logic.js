// The logic view: signals, transfers and lines of the link over time. It asks the server for what is
// shown, four times a second at most, and not at all while it is closed.

const bench = window.cryoBench;
const css = (name) => getComputedStyle(document.body).getPropertyValue(name).trim();
const ROW = 20, SHORTEST_MS = 0.05, LONGEST_MS = 3.6e6, ASK_MS = 250, MOST_LINES = 100;
const NAMES = {
  POWER: "power", VALVE_GATE: "gate", VALVE_SUPPLY: "supply", COIL: "coil", VALVE: "valve", ESTOP: "E-stop loop", TRIGGER: "TRIGGER", UP: "UP", DOWN: "DOWN", SELECT: "SELECT", ARM: "ARM",
  LED_GREEN: "green", LED_YELLOW: "yellow", LED_RED: "red", I2C: "I2C", SPI: "SPI", LINK_OUT: "device → host", LINK_IN: "host → device",
};
const time = (ms, span) => ms >= 1e4 && span > 1e3 ? `${(ms / 1000).toFixed(2)} s` : `${ms.toFixed(span > 1e3 ? 0 : span > 10 ? 2 : 4)} ms`;

customElements.define("cryo-logic", class extends HTMLElement {
  connectedCallback() {
    if (this.canvas) return;
    this.span = 10_000; this.end = 0; this.live = true; this.data = null;
    this.innerHTML = `<section class="card" aria-label="Logic view"><h2>Logic view</h2>
      <div class="logic-tools" role="group" aria-label="Time shown">
        ${[["earlier", "Earlier"], ["later", "Later"], ["in", "Zoom in"], ["out", "Zoom out"], ["live", "Live"], ["vcd", "Save VCD"], ["csv", "Save CSV"], ["close", "Close logic view"]]
          .map(([act, words]) => `<button data-act="${act}">${words}</button>`).join("")}
        <label>End of what is shown <input type="range" min="0" max="1000" value="1000"></label></div>
      <p class="note" role="status"></p>
      <canvas role="img" aria-label="Signals and buses over time; the list below says the transfers"></canvas>
      <ol class="log" tabindex="0" aria-label="Transfers and levels in the time shown"></ol></section>`;
    this.canvas = this.querySelector("canvas"); this.words = this.querySelector(".note"); this.list = this.querySelector("ol"); this.range = this.querySelector("input");
    for (const button of this.querySelectorAll("[data-act]")) button.addEventListener("click", () => this.act(button.dataset.act));
    this.range.addEventListener("input", () => { this.live = false; this.end = this.first + (this.now - this.first) * this.range.value / 1000; this.moved(); });
    this.canvas.addEventListener("wheel", (event) => {
      event.preventDefault(); this.zoom(event.deltaY > 0 ? 1.25 : .8, (event.offsetX - this.left) / (this.canvas.clientWidth - this.left));
    }, { passive: false });
    this.canvas.addEventListener("pointerdown", (event) => { this.drag = [event.clientX, this.end]; this.canvas.setPointerCapture(event.pointerId); });
    this.canvas.addEventListener("pointermove", (event) => {
      if (!this.drag) return;
      this.live = false; this.end = this.drag[1] - (event.clientX - this.drag[0]) / (this.canvas.clientWidth - this.left) * this.span; this.moved();
    });
    for (const over of ["pointerup", "pointercancel"]) this.canvas.addEventListener(over, () => { this.drag = null; });
    new MutationObserver(() => this.draw()).observe(document.body, { attributes: true, attributeFilter: ["class"] });
    new ResizeObserver(() => this.moved()).observe(this);
    bench.addEventListener("samples", () => { if (!bench.samples.taken) { this.data = null; this.live = true; } });  // another device
    this.timer = setInterval(() => { if (!this.hidden && (this.live || this.late)) this.ask(); }, ASK_MS);
  }
  disconnectedCallback() { clearInterval(this.timer); }
  get now() { return bench.plant.t_ms ?? 0; }
  get first() { return this.data?.first_ms ?? 0; }
  get left() { return this.clientWidth < 500 ? 78 : 104; }
  open() { this.hidden = false; this.live = true; this.ask(); this.scrollIntoView({ block: "start" }); this.querySelector("button").focus({ preventScroll: true }); }
  act(what) {
    switch (what) {
      case "earlier": this.live = false; this.end -= this.span / 2; break;
      case "later": this.end += this.span / 2; break;
      case "in": return this.zoom(.5, this.live ? 1 : .5);
      case "out": return this.zoom(2, this.live ? 1 : .5);
      case "live": this.live = true; break;
      case "close": this.hidden = true; return;
      default: this.save(what); return;
    }
    this.moved();
  }
  zoom(factor, at) {
    const fixed = this.end - this.span * (1 - at);
    this.span = Math.min(LONGEST_MS, Math.max(SHORTEST_MS, this.span * factor));
    if (at < 1) this.live = false;
    this.end = fixed + this.span * (1 - at);
    this.moved();
  }
  moved() { this.said = ""; this.end = Math.min(Math.max(this.end, this.first + Math.min(this.span, this.now)), Math.max(this.now, 1)); this.ask(); }
  bounds() {
    if (this.live) this.end = Math.max(this.now, 1);
    return [Math.max(0, this.end - this.span), this.end];
  }
  async ask() {
    if (this.hidden || !this.clientWidth) return;
    if (this.asking) { this.late = true; return; }  // one at a time; the timer asks again
    this.asking = true; this.late = false;
    const [from, to] = this.bounds();
    try {
      const answer = await fetch(`/bench/logic?from=${from}&to=${to}&columns=${Math.max(100, Math.min(2000, Math.round(this.clientWidth - this.left)))}`);
      if (answer.ok) { this.data = Object.assign(await answer.json(), { from, to }); requestAnimationFrame(() => { this.draw(); this.tell(); }); }
    } catch { /* the page says that the bench does not answer */ } finally { this.asking = false; }
  }
  async save(kind) {
    const [from, to] = this.data ? [this.data.from, this.data.to] : this.bounds();
    const answer = await fetch(`/bench/logic?from=${from}&to=${to}&as=${kind}`), text = await answer.text();
    if (!answer.ok) { this.said = text; this.tell(); return; }
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "text/plain" })); link.download = `cryodose.${kind}`; link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
    this.said = ""; this.tell();
  }
  tell() {
    const { from, to, wires, buses } = this.data ?? {}; if (!wires) return;
    const span = to - from;
    const words = this.said || (this.live ? `Live: the last ${time(this.span, this.span)}` : `${time(from, span)} to ${time(to, span)}`) + (this.first ? `; kept from ${(this.first / 1000).toFixed(0)} s on` : "");
    if (this.words.textContent !== words) this.words.textContent = words;
    this.range.value = this.live ? 1000 : 1000 * (to - this.first) / Math.max(1, this.now - this.first);
    this.range.setAttribute("aria-valuetext", time(to, span));
    const live = this.querySelector("[data-act=live]"); live.setAttribute("aria-pressed", this.live);
    const lines = [];
    for (const [name, rows] of Object.entries(buses)) for (const [t, , said] of rows) if (said) lines.push([t, `${NAMES[name]}: ${said}`]);
    for (const [name, [, changes]] of Object.entries(wires)) for (const [t, level] of changes) if (level < 2) lines.push([t, `${NAMES[name]} ${level}`]);
    lines.sort((a, b) => b[0] - a[0]);
    const shown = lines.slice(0, MOST_LINES), key = JSON.stringify(shown);
    if (key === this.listed) return;
    this.listed = key;
    this.list.replaceChildren(...shown.map(([t, said]) => {
      const item = document.createElement("li"), when = document.createElement("time"), what = document.createElement("span");
      when.textContent = time(t, Math.min(span, 1e3)); what.textContent = said; item.append(when, what); return item;
    }));
  }
  draw() {
    const data = this.data, width = this.canvas.clientWidth; if (!data || this.hidden || !width) return;
    const rows = [...Object.entries(data.wires), ...Object.entries(data.buses)], height = rows.length * ROW + 18, ratio = window.devicePixelRatio || 1;
    if (this.canvas.width !== Math.round(width * ratio) || this.canvas.height !== Math.round(height * ratio)) {
      this.canvas.width = Math.round(width * ratio); this.canvas.height = Math.round(height * ratio); this.canvas.style.height = `${height}px`;
    }
    const c = this.canvas.getContext("2d"), left = this.left, x = (t) => left + (Math.min(data.to, Math.max(data.from, t)) - data.from) / (data.to - data.from) * (width - left);
    c.setTransform(ratio, 0, 0, ratio, 0, 0); c.clearRect(0, 0, width, height);
    c.font = `11px ${getComputedStyle(document.body).fontFamily}`; c.textBaseline = "middle";
    const ink = css("--ink"), soft = css("--soft"), line = css("--line"), accent = css("--accent"), card = css("--card"), violet = css("--violet");
    rows.forEach(([name, row], i) => {
      const top = i * ROW + 3, low = top + ROW - 7;
      c.fillStyle = soft; c.textAlign = "right"; c.fillText(NAMES[name] ?? name, left - 8, top + ROW / 2 - 3);
      c.strokeStyle = line; c.lineWidth = 1; c.beginPath(); c.moveTo(left, low + 3.5); c.lineTo(width, low + 3.5); c.stroke();
      if (name in data.buses) {
        for (const [from, to, said] of row) {
          const a = x(from), b = Math.max(a + 2, x(to));
          c.fillStyle = violet; c.fillRect(a, top, b - a, low - top);
          if (said && b - a > 30) { c.save(); c.beginPath(); c.rect(a + 3, top, b - a - 6, ROW); c.clip(); c.fillStyle = card; c.textAlign = "left"; c.fillText(said, a + 4, (top + low) / 2); c.restore(); }
        }
        return;
      }
      let [level, changes] = row, at = left;
      for (const [t, next] of [...changes, [data.to, level]]) {
        const to = x(t);
        c.fillStyle = level === 2 ? soft : accent;
        if (level === 2) c.fillRect(at, top, Math.max(1, to - at), low - top);
        else if (level) { c.globalAlpha = .25; c.fillRect(at, top, to - at, low - top); c.globalAlpha = 1; c.fillRect(at, top, Math.max(1, to - at), 1.6); }
        else c.fillRect(at, low - 1.6, Math.max(1, to - at), 1.6);
        if (to > left && to < width) c.fillRect(to, top, 1, low - top);
        at = to; level = next;
      }
    });
    c.fillStyle = ink; c.textAlign = "left"; c.fillText(time(data.from, data.to - data.from), left, height - 8);
    c.textAlign = "right"; c.fillText(time(data.to, data.to - data.from), width, height - 8);
    this.dataset.drawn = Number(this.dataset.drawn ?? 0) + 1;
  }
});
window.cryoLogic = () => document.querySelector("cryo-logic").open();
