// The raster viewer: each figure.raster becomes a canvas that can be zoomed.
//
// Far out it shows the binned picture of the whole night, near by every single spike, where the
// figure holds them. `view` is what is visible: steps s0..s1, neurons n0..n1 (ends excluded).
(function () {
  "use strict";
  const LEFT = 52, RIGHT = 8, TOP = 8, BOTTOM = 34, SMALLEST = 4;

  function unpack(text, neurons) {
    const bytes = atob(text), steps = [], ids = [];
    let key = 0, gap = 0, weight = 1;
    for (let i = 0; i < bytes.length; i++) {
      const byte = bytes.charCodeAt(i);
      gap += (byte & 127) * weight;
      weight *= 128;
      if (byte < 128) {
        key += gap;
        gap = 0;
        weight = 1;
        steps.push(Math.floor(key / neurons));
        ids.push(key % neurons);
      }
    }
    return { steps, ids };
  }

  function roundTicks(low, high, most) {
    const rough = (high - low) / most;
    const power = Math.pow(10, Math.floor(Math.log10(rough)));
    const step = Math.max(1, [1, 2, 5, 10].map((f) => f * power).find((s) => s >= rough));
    const ticks = [];
    for (let tick = Math.ceil(low / step) * step; tick < high; tick += step) ticks.push(tick);
    return ticks;
  }

  function element(name, attributes, text) {
    const made = document.createElement(name);
    Object.entries(attributes).forEach(([key, value]) => made.setAttribute(key, value));
    made.textContent = text || "";
    return made;
  }

  class Raster {
    constructor(figure) {
      const data = figure.dataset;
      this.steps = Number(data.steps);
      this.neurons = Number(data.neurons);
      this.bins = data.bins.split(" ").map(Number);
      this.topHz = data.topHz;
      this.exact = [Number(data.start), Number(data.stop)];
      this.packed = data.spikes;
      this.binned = figure.querySelector("img");
      this.reset();
      this.build(figure);
    }

    build(figure) {
      this.canvas = element("canvas", {
        tabindex: "0", role: "img",
        "aria-label": this.binned.alt + "; plus and minus zoom, arrows move, 0 shows all",
      });
      this.tools = element("div", { class: "tools" });
      this.where = element("p", { class: "where", "aria-live": "polite" });
      const buttons = [
        ["+", "zoom in", () => this.zoom(0.5)], ["−", "zoom out", () => this.zoom(2)],
        ["←", "earlier", () => this.move(-0.5, 0)], ["→", "later", () => this.move(0.5, 0)],
        ["↑", "higher neurons", () => this.move(0, 0.5)],
        ["↓", "lower neurons", () => this.move(0, -0.5)],
        ["whole night", "show everything", () => { this.reset(); this.draw(); }],
      ];
      if (this.exact[1] - this.exact[0] < this.steps) {
        buttons.push(["single spikes", "show a stretch spike by spike", () => this.near()]);
      }
      for (const [text, title, act] of buttons) {
        const button = element("button", { type: "button", title, "aria-label": title }, text);
        button.addEventListener("click", act);
        this.tools.append(button);
      }
      figure.querySelector("[hidden]").hidden = false;
      this.binned.replaceWith(this.tools, this.canvas, this.where);
      this.listen();
    }

    listen() {
      const keys = {
        "+": () => this.zoom(0.5), "=": () => this.zoom(0.5), "-": () => this.zoom(2),
        ArrowLeft: () => this.move(-0.25, 0), ArrowRight: () => this.move(0.25, 0),
        ArrowUp: () => this.move(0, 0.25), ArrowDown: () => this.move(0, -0.25),
        0: () => { this.reset(); this.draw(); },
      };
      this.canvas.addEventListener("keydown", (event) => {
        if (keys[event.key]) {
          keys[event.key]();
          event.preventDefault();
        }
      });
      this.canvas.addEventListener("wheel", (event) => {
        if (event.ctrlKey || event.shiftKey) {
          const [step, neuron] = this.at(event);
          this.zoom(event.deltaY + event.deltaX > 0 ? 1.4 : 0.7, step, neuron);
          event.preventDefault();
        }
      }, { passive: false });
      this.canvas.addEventListener("dblclick", () => { this.reset(); this.draw(); });
      this.canvas.addEventListener("pointerdown", (event) => {
        this.drag = [event, event];
        this.canvas.setPointerCapture(event.pointerId);
      });
      this.canvas.addEventListener("pointermove", (event) => {
        if (this.drag) {
          this.drag[1] = event;
          this.draw();
        } else {
          this.tell(event);
        }
      });
      this.canvas.addEventListener("pointerup", () => this.choose());
      this.canvas.addEventListener("pointercancel", () => { this.drag = null; this.draw(); });
      this.canvas.addEventListener("pointerleave", () => this.tell());
      document.addEventListener("change", () => this.draw()); // a menu may have shown it
      new ResizeObserver(() => this.draw()).observe(this.canvas);
      this.binned.decode().then(() => this.draw(), () => this.draw());
      matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
    }

    reset() {
      this.view = { s0: 0, s1: this.steps, n0: 0, n1: this.neurons };
    }

    // Keep what is visible inside of the night, and not smaller than a few steps and neurons.
    look(s0, s1, n0, n1) {
      const fit = (low, high, end) => {
        const size = Math.min(Math.max(high - low, Math.min(SMALLEST, end)), end);
        const start = Math.min(Math.max(low, 0), end - size);
        return [start, start + size];
      };
      const [a, b] = fit(s0, s1, this.steps), [c, d] = fit(n0, n1, this.neurons);
      this.view = { s0: a, s1: b, n0: c, n1: d };
      this.draw();
    }

    zoom(factor, step, neuron) {
      const { s0, s1, n0, n1 } = this.view;
      const s = step === undefined ? (s0 + s1) / 2 : step;
      const n = neuron === undefined ? (n0 + n1) / 2 : neuron;
      const tall = this.neurons > 30 ? factor : 1;
      this.look(
        s + (s0 - s) * factor, s + (s1 - s) * factor, n + (n0 - n) * tall, n + (n1 - n) * tall);
    }

    move(across, up) {
      const { s0, s1, n0, n1 } = this.view;
      const ds = across * (s1 - s0), dn = up * (n1 - n0);
      this.look(s0 + ds, s1 + ds, n0 + dn, n1 + dn);
    }

    near() {
      const middle = (this.exact[0] + this.exact[1]) / 2;
      const half = Math.min(this.exact[1] - this.exact[0], 500) / 2;
      this.look(middle - half, middle + half, 0, this.neurons);
    }

    // A dragged box becomes the view; a flat one keeps all neurons; a mere click does nothing.
    choose() {
      if (!this.drag) return;
      const [from, to] = this.drag;
      this.drag = null;
      const [a, c] = this.at(from), [b, d] = this.at(to);
      const wide = Math.abs(from.clientX - to.clientX) > 5;
      const tall = Math.abs(from.clientY - to.clientY) > 25;
      const { n0, n1 } = this.view;
      if (wide) {
        const [low, high] = tall ? [Math.min(c, d), Math.max(c, d)] : [n0, n1];
        this.look(Math.min(a, b), Math.max(a, b), low, high);
      } else {
        this.draw();
      }
    }

    box() {
      return { width: this.canvas.clientWidth - LEFT - RIGHT,
               height: this.canvas.clientHeight - TOP - BOTTOM };
    }

    x(step) {
      return LEFT + (step - this.view.s0) / (this.view.s1 - this.view.s0) * this.box().width;
    }

    y(neuron) {
      const share = (neuron - this.view.n0) / (this.view.n1 - this.view.n0);
      return TOP + (1 - share) * this.box().height;
    }

    at(event) {
      const frame = this.canvas.getBoundingClientRect(), { width, height } = this.box();
      const across = Math.min(Math.max((event.clientX - frame.left - LEFT) / width, 0), 1);
      const up = 1 - Math.min(Math.max((event.clientY - frame.top - TOP) / height, 0), 1);
      return [this.view.s0 + across * (this.view.s1 - this.view.s0),
              this.view.n0 + up * (this.view.n1 - this.view.n0)];
    }

    isExact() {
      return this.view.s0 >= this.exact[0] && this.view.s1 <= this.exact[1];
    }

    draw() {
      const canvas = this.canvas, ratio = window.devicePixelRatio || 1;
      if (!canvas.clientWidth) return;
      canvas.width = canvas.clientWidth * ratio;
      canvas.height = canvas.clientHeight * ratio;
      const pen = canvas.getContext("2d"), style = getComputedStyle(canvas);
      const colour = (name) => style.getPropertyValue(name).trim();
      pen.scale(ratio, ratio);
      pen.save();
      pen.beginPath();
      pen.rect(LEFT, TOP, this.box().width, this.box().height);
      pen.clip();
      if (this.isExact()) this.drawSpikes(pen, colour("--ink"));
      else this.drawBinned(pen, colour("--asleep"));
      this.drawDrag(pen, colour("--awake"));
      pen.restore();
      this.drawAxes(pen, colour("--soft"));
      if (!this.isExact()) this.drawExact(pen, colour("--awake"));
      this.tell();
    }

    // The opacity of the picture, in the colour of the theme; the canvas is still empty.
    drawBinned(pen, ink) {
      const { s0, s1, n0, n1 } = this.view, [columns, rows] = this.bins;
      const sx = columns / this.steps, sy = rows / this.neurons, { width, height } = this.box();
      pen.imageSmoothingEnabled = false;
      pen.drawImage(this.binned, s0 * sx, rows - n1 * sy, (s1 - s0) * sx, (n1 - n0) * sy,
        LEFT, TOP, width, height);
      pen.globalCompositeOperation = "source-in";
      pen.fillStyle = ink;
      pen.fillRect(LEFT, TOP, width, height);
      pen.globalCompositeOperation = "source-over";
    }

    drawSpikes(pen, ink) {
      if (!this.spikes) this.spikes = unpack(this.packed, this.neurons);
      const { s0, s1, n0, n1 } = this.view, { steps, ids } = this.spikes, { width, height } = this.box();
      const wide = Math.min(Math.max(0.6 * width / (s1 - s0), 1.2), 4);
      const tall = Math.min(Math.max(0.6 * height / (n1 - n0), 1.6), 14);
      pen.fillStyle = ink;
      this.visible = 0;
      for (let i = 0; i < steps.length; i++) {
        if (steps[i] >= s0 - 1 && steps[i] < s1 && ids[i] >= n0 - 1 && ids[i] < n1) {
          pen.fillRect(this.x(steps[i] + 0.5) - wide / 2, this.y(ids[i] + 0.5) - tall / 2, wide, tall);
          this.visible += 1;
        }
      }
    }

    drawDrag(pen, ink) {
      if (!this.drag) return;
      const [from, to] = this.drag, frame = this.canvas.getBoundingClientRect();
      const tall = Math.abs(from.clientY - to.clientY) > 25;
      pen.strokeStyle = ink;
      pen.strokeRect(from.clientX - frame.left, tall ? from.clientY - frame.top : TOP,
        to.clientX - from.clientX, tall ? to.clientY - from.clientY : this.box().height);
    }

    drawAxes(pen, ink) {
      const { s0, s1, n0, n1 } = this.view, { width, height } = this.box();
      pen.fillStyle = pen.strokeStyle = ink;
      pen.font = "11px " + getComputedStyle(document.body).fontFamily;
      pen.strokeRect(LEFT, TOP, width, height);
      pen.textAlign = "center";
      for (const tick of roundTicks(s0, s1, width / 80)) {
        pen.fillText(tick.toLocaleString("en"), this.x(tick), TOP + height + 14);
      }
      pen.fillText("step of the night", LEFT + width / 2, TOP + height + 29);
      pen.textAlign = "right";
      pen.textBaseline = "middle";
      for (const tick of roundTicks(n0, n1, 5)) {
        pen.fillText(tick.toLocaleString("en"), LEFT - 5, this.y(tick + 0.5));
      }
      pen.save();
      pen.translate(10, TOP + height / 2);
      pen.rotate(-Math.PI / 2);
      pen.textAlign = "center";
      pen.fillText("neuron", 0, 0);
      pen.restore();
    }

    // A line above the stretch that is held spike by spike.
    drawExact(pen, ink) {
      const from = Math.max(this.x(this.exact[0]), LEFT);
      const to = Math.min(this.x(this.exact[1]), LEFT + this.box().width);
      pen.fillStyle = ink;
      if (to > from) pen.fillRect(from, TOP - 4, Math.max(to - from, 2), 3);
    }

    tell(event) {
      const { s0, s1, n0, n1 } = this.view, round = (v) => Math.floor(v).toLocaleString("en");
      const shown = "steps " + round(s0) + " to " + round(Math.ceil(s1) - 1) + ", neurons " + round(n0)
        + " to " + round(Math.ceil(n1) - 1);
      const how = this.isExact()
        ? this.visible.toLocaleString("en") + " single spikes"
        : "binned, full colour from " + this.topHz + " Hz";
      const here = event ? "; at step " + round(this.at(event)[0]) + ", neuron "
        + round(this.at(event)[1]) : "";
      this.where.textContent = shown + ": " + how + here;
    }
  }

  for (const figure of document.querySelectorAll("figure.raster")) new Raster(figure);
})();
