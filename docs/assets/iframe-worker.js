// Lets the search work from the file system, where a browser starts no worker from a file: the worker's
// script runs in a hidden frame instead. Over HTTP nothing changes.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      const script = document.createElement("script");
      script.src = url;
      this.frame.srcdoc = `<script>
        self.importScripts = (...urls) => urls.reduce((before, url) => before.then(() => new Promise((done) => {
          const script = document.createElement("script");
          script.src = url;
          script.onload = done;
          document.head.appendChild(script);
        })), Promise.resolve());
        self.postMessage = (data) => parent.dispatchEvent(new CustomEvent("worker", {detail: {frame: frameElement, data}}));
      </script>${script.outerHTML}`;
      this.loaded = new Promise((done) => this.frame.addEventListener("load", done));
      addEventListener("worker", ({ detail }) => {
        if (detail.frame !== this.frame) return;
        const message = new MessageEvent("message", { data: detail.data });
        this.dispatchEvent(message);
        this.onmessage?.(message);
      });
      document.body.appendChild(this.frame);
    }
    postMessage(data) {
      this.loaded.then(() => this.frame.contentWindow.dispatchEvent(new MessageEvent("message", { data })));
    }
    terminate() {
      this.frame.remove();
    }
  };
}
