// The page of models: fetches the list with the key in a header, so that the key stays in memory, and sends
// prompts. Whatever comes from the gateway becomes text, never markup, but for the page's own HTML.
"use strict";

(() => {
  const find = document.getElementById("find");
  const token = document.getElementById("token");
  const forget = document.getElementById("forget");
  const status = document.getElementById("status");
  let listing = null;
  const running = new Map();

  const enhance = () => {
    for (const each of document.querySelectorAll("details.try, button.copy")) {
      each.hidden = false;
    }
    forget.hidden = token.value === "";
  };

  // Not <noscript>: these hints also stand where a browser could not load this file.
  for (const each of document.querySelectorAll(".scriptless")) {
    each.hidden = true;
  }

  const stopAll = () => {
    for (const each of running.values()) {
      each.abort();
    }
  };

  const show = (html) => {
    const made = new DOMParser().parseFromString(html, "text/html").getElementById("results");
    if (made === null) {
      throw new Error("the gateway answered with another page");
    }
    stopAll();
    document.getElementById("results").replaceWith(document.adoptNode(made));
    enhance();
    const heading = document.getElementById("found");
    if (heading !== null) {
      status.textContent = heading.textContent;
      heading.focus();
    }
  };

  const showFailure = (text) => {
    const failure = document.createElement("div");
    failure.className = "failure";
    failure.setAttribute("role", "alert");
    failure.textContent = text;
    stopAll();
    document.getElementById("results").replaceChildren(failure);
  };

  find.addEventListener("submit", async (event) => {
    event.preventDefault();
    const query = new URLSearchParams();
    for (const name of ["q", "size"]) {
      query.set(name, find.elements[name].value);
    }
    if (event.submitter !== null && event.submitter.name === "page") {
      query.set("page", event.submitter.value);
    }
    if (listing !== null) {
      listing.abort();
    }
    const mine = new AbortController();
    listing = mine;
    status.textContent = "Loading the models";
    document.getElementById("results").setAttribute("aria-busy", "true");
    try {
      const response = await fetch(`/?${query}`, {
        headers: { Authorization: `Bearer ${token.value.trim()}` },
        signal: mine.signal,
      });
      show(await response.text());
    } catch (error) {
      if (!mine.signal.aborted) {
        showFailure(`The gateway did not answer: ${error.message}. Action (user): try again.`);
      }
    }
  });

  token.addEventListener("input", () => {
    forget.hidden = token.value === "";
  });

  forget.addEventListener("click", () => {
    if (listing !== null) {
      listing.abort();
    }
    stopAll();
    token.value = "";
    forget.hidden = true;
    document.getElementById("results").replaceChildren();
    status.textContent = "The key is forgotten.";
    token.focus();
  });

  // A page that is left and comes back by the browser's history has no key.
  window.addEventListener("pagehide", () => {
    token.value = "";
    document.getElementById("results").replaceChildren();
  });

  const copy = async (button) => {
    const code = document.getElementById(button.dataset.copies);
    try {
      await navigator.clipboard.writeText(code.textContent);
      button.textContent = "Copied";
    } catch {
      // Browsers give the clipboard to pages over HTTPS and on this machine alone.
      window.getSelection().selectAllChildren(code);
      button.textContent = "Selected";
    }
    status.textContent = button.textContent;
  };

  const lines = (text) => text.split("\n").map((line) => line.trim()).filter((line) => line !== "");

  const bodyOf = (form) => {
    const input = form.elements.input.value;
    const model = form.dataset.model;
    switch (form.dataset.use) {
      case "chat":
        return { model, messages: [{ role: "user", content: input }], stream: true };
      case "completion":
        return { model, prompt: input, max_tokens: 256, stream: true };
      case "embedding":
        return { model, input: lines(input) };
      case "reranking":
        return { model, query: form.elements.query.value, documents: lines(input) };
      default:
        return JSON.parse(input);
    }
  };

  const textOf = (form, answer) => {
    switch (form.dataset.use) {
      case "embedding":
        return answer.data
          .map(({ embedding }) => {
            const more = embedding.length > 8 ? ", …" : "";
            return `${embedding.length} dimensions: ${embedding.slice(0, 8).join(", ")}${more}`;
          })
          .join("\n");
      case "reranking": {
        const documents = lines(form.elements.input.value);
        return answer.results
          .map((each) => `${each.relevance_score.toFixed(3)}  ${documents[each.index]}`)
          .join("\n");
      }
      default:
        return JSON.stringify(answer, null, 2);
    }
  };

  // The shapes of the errors of OpenAI's, Cohere's and the platform's API.
  const messageOf = (answer, fallback) => {
    const found = answer?.error?.message ?? answer?.error ?? answer?.message ?? answer?.detail ?? fallback;
    return typeof found === "string" ? found : JSON.stringify(found);
  };

  const events = async function* (response) {
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) {
        return;
      }
      rest += value;
      const parts = rest.split(/\r?\n\r?\n/);
      rest = parts.pop();
      for (const part of parts) {
        const all = part.split(/\r?\n/);
        const data = all.filter((line) => line.startsWith("data:")).map((line) => line.slice(5).trimStart());
        if (data.length > 0) {
          yield { data: data.join("\n"), isError: all.some((line) => /^event: *error$/.test(line)) };
        }
      }
    }
  };

  // Speaks whole sentences: a screen reader that is given each word starts again at each.
  class Answer {
    constructor(form) {
      this.shown = form.querySelector(".answer");
      this.spoken = form.querySelector(".spoken");
      this.waiting = "";
      this.shown.textContent = "";
      this.spoken.textContent = "";
    }

    add(text) {
      const isAtEnd = this.shown.scrollTop + this.shown.clientHeight >= this.shown.scrollHeight - 8;
      this.shown.append(text);
      if (isAtEnd) {
        this.shown.scrollTop = this.shown.scrollHeight;
      }
      this.waiting += text;
      const sentence = /^[\s\S]*[.!?:\n](?=\s|$)/.exec(this.waiting);
      if (sentence !== null) {
        this.speak(sentence[0].length);
      }
    }

    speak(length) {
      if (this.waiting.slice(0, length).trim() !== "") {
        this.spoken.textContent = this.waiting.slice(0, length);
      }
      this.waiting = this.waiting.slice(length);
    }
  }

  const stream = async (form, response, answer) => {
    const isExecute = form.dataset.use === "execute";
    for await (const { data, isError } of events(response)) {
      if (isError) {
        throw new Error(messageOf(JSON.parse(data), "the stream failed"));
      }
      if (isExecute) {
        // The events of a model's own contract, which ends without a mark.
        answer.add(`${data}\n`);
        continue;
      }
      if (data === "[DONE]") {
        return;
      }
      const event = JSON.parse(data);
      if (event.error !== undefined) {
        throw new Error(messageOf(event, "the stream failed"));
      }
      const choice = event.choices?.[0];
      answer.add(choice?.delta?.content ?? choice?.text ?? "");
    }
    if (!isExecute) {
      throw new Error("the stream ended before its end");
    }
  };

  const send = async (form) => {
    const progress = form.querySelector(".progress");
    const stop = form.querySelector(".stop");
    const submit = form.querySelector("button[type=submit]");
    const answer = new Answer(form);
    form.querySelector(".outcome").hidden = false;
    const mine = new AbortController();
    running.get(form)?.abort();
    running.set(form, mine);
    stop.hidden = false;
    stop.onclick = () => mine.abort();
    progress.textContent = "Waiting for the model…";
    try {
      const response = await fetch(form.dataset.path, {
        method: "POST",
        headers: { Authorization: `Bearer ${token.value.trim()}`, "Content-Type": "application/json" },
        body: JSON.stringify(bodyOf(form)),
        signal: mine.signal,
      });
      const type = response.headers.get("Content-Type") ?? "";
      if (response.ok && type.startsWith("text/event-stream")) {
        progress.textContent = "The model answers…";
        await stream(form, response, answer);
      } else {
        const text = await response.text();
        let read;
        try {
          read = JSON.parse(text);
        } catch {
          read = text;
        }
        if (!response.ok) {
          throw new Error(`${response.status}: ${messageOf(read, text)}`);
        }
        answer.add(typeof read === "string" ? read : textOf(form, read));
      }
      answer.speak(answer.waiting.length);
      progress.textContent = "The answer is complete.";
    } catch (error) {
      if (running.get(form) === mine) {
        progress.textContent = mine.signal.aborted ? "Stopped." : `The call failed. ${error.message}`;
      }
    } finally {
      if (running.get(form) === mine) {
        running.delete(form);
        if (document.activeElement === stop) {
          submit.focus();
        }
        stop.hidden = true;
      }
    }
  };

  document.addEventListener("submit", (event) => {
    if (event.target.matches("form.try-form")) {
      event.preventDefault();
      send(event.target);
    }
  });

  document.addEventListener("click", (event) => {
    if (event.target.matches("button.copy")) {
      copy(event.target);
    }
  });

  enhance();
})();
