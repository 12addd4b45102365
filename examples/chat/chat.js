// Sends a question and shows the answer as it comes. Everything is shown as text; nothing of an answer becomes markup.
"use strict";

const form = document.getElementById("ask");
const prompt = document.getElementById("prompt");
const send = document.getElementById("send");
const talk = document.getElementById("talk");

function paragraph(turn, kind, text) {
  const element = document.createElement("p");
  element.className = kind;
  element.textContent = text;
  turn.append(element);
  return element;
}

function link(place, text) {
  const element = document.createElement("a");
  element.href = place;
  element.textContent = text;
  return element;
}

function isPage(place) {
  try {
    return ["https:", "http:"].includes(new URL(place).protocol);
  } catch {
    return false;
  }
}

// A consent that the agent waits for: the link opens beside this page, which goes on by itself.
function askForConsent(turn, notice) {
  for (const pending of notice.pending ?? []) {
    if (!isPage(pending.authorization_url)) continue;
    const line = paragraph(turn, "consent", "The agent needs your consent to go on: ");
    const consent = link(pending.authorization_url, `connect ${pending.provider}`);
    consent.target = "_blank";
    consent.rel = "noopener noreferrer";
    line.append(consent, " (opens a new tab: sign in there as yourself and agree; the answer then goes on here)");
  }
}

function showEvent(turn, state, name, data) {
  let message;
  try {
    message = JSON.parse(data);
  } catch {
    return;
  }
  if (name === "authorization_required") {
    askForConsent(turn, message);
  } else if (message?.error) {
    paragraph(turn, "error", "The agent could not answer. Ask again to try once more.");
    state.failed = true;
  } else if (typeof message?.text === "string") {
    if (!state.answer) {
      state.answer = paragraph(turn, "answer", "");
      // Read out when it is whole, and not word by word.
      state.answer.setAttribute("aria-busy", "true");
    }
    state.answer.textContent += message.text;
  }
}

// Server-sent events, block by block.
async function readEvents(turn, body) {
  const state = {};
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    rest += value ?? "";
    const blocks = rest.split(/\r?\n\r?\n/);
    rest = blocks.pop();
    for (const block of blocks) {
      const fields = block.split(/\r?\n/);
      const of = (name) => fields.filter((line) => line.startsWith(`${name}:`)).map((line) => line.slice(name.length + 1).trimStart());
      const data = of("data").join("\n");
      if (data) showEvent(turn, state, of("event")[0], data);
    }
    if (done) {
      state.answer?.removeAttribute("aria-busy");
      return state;
    }
  }
}

async function ask(turn, question) {
  const response = await fetch("/ask", {
    method: "POST",
    headers: { "content-type": "application/json", accept: "text/event-stream", "x-csrf-token": form.dataset.csrf },
    body: JSON.stringify({ prompt: question }),
  });
  if (response.ok) {
    const state = await readEvents(turn, response.body);
    turn.dataset.done = state.failed ? "failed" : "answered";
    return;
  }
  const { error } = await response.json().catch(() => ({}));
  const line = paragraph(turn, "error", `${error ?? "That did not work. Try again in a moment."} `);
  if (response.status === 401) line.append(link("/login", "Sign in"));
  turn.dataset.done = "failed";
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const question = prompt.value.trim();
  if (!question || send.disabled) return;
  const turn = document.createElement("div");
  turn.className = "turn";
  paragraph(turn, "question", question);
  talk.append(turn);
  prompt.value = "";
  send.disabled = true;
  try {
    await ask(turn, question);
  } catch {
    paragraph(turn, "error", "The connection broke. Ask again to try once more.");
    turn.dataset.done = "failed";
  } finally {
    send.disabled = false;
    prompt.focus();
  }
});
