// Shows the state that the server sends, and sends what a person says. Text from the server is only ever textContent.

const LEAVE_MS = 30000, RETRY_MS = 700;
const KEYS = [..."1234567890", ..."abcdefghijklmopqrstuvwyz"];  // n and x have another meaning
const at = (id) => document.getElementById(id);

let state = null;
let pending = null;  // what was said but not yet acknowledged
let sending = null;  // the reply that is waited for
let away = false;  // whether the server does not answer
let shown = null;  // what the person looks at: a phase, or the key of a question

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

// The key of each class: its own name where that is one, so that the digit 7 is the key 7; otherwise the next free one.
function keysOf(classes) {
  const own = classes.map((name) => (KEYS.includes(name) ? name : null));
  const free = KEYS.filter((key) => !own.includes(key));
  return own.map((key) => key ?? free.shift() ?? null);
}

const percent = (share) => `${Math.round(100 * share)}%`;
const counted = (n, noun) => `${n} ${noun}${n === 1 ? "" : "s"}`;

const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
const ended = () => state !== null && ["done", "stopped"].includes(state.phase);

// Talking to the server

async function follow() {
  for (;;) {
    try {
      const version = state && !away ? state.version : "none";
      const response = await fetch(`state/${version}`, {signal: AbortSignal.timeout(LEAVE_MS)});
      if (response.status === 404) {
        if (!ended()) elsewhere();
        return;
      }
      if (!response.ok) throw new Error(response.status);
      const next = await response.json();
      away = false;
      if (sending) await sending.catch(() => null);  // it brings what is newer; until then a key would find no question
      else take(next);
      await resend();
      if (ended()) await sleep(RETRY_MS);  // lets the server end
    } catch {
      if (ended()) away = true;
      else offline();
      await sleep(RETRY_MS);
    }
  }
}

function take(next) {
  at("trouble").hidden = true;
  if (state && !isNewer(next.version)) return;  // nothing moves under a finger or a focus, and nothing moves back
  state = next;
  render();
}

// Replies may overtake each other: versions of one program are numbered, "name-number".
function isNewer(version) {
  const [name, number] = version.split("-"), [shownName, shownNumber] = state.version.split("-");
  return name !== shownName || Number(number) > Number(shownNumber);
}

function offline() {
  away = true;
  const said = pending ? " Your last answer is not saved yet; it is sent as soon as the server is back." : "";
  trouble(`The program does not answer. This page goes on trying.${said}`);
}

// The token in the address is of a program that has ended; its successor answers, but not for this one.
function elsewhere() {
  const said = pending ? " Your last answer here was not saved; you are asked again there." : "";
  trouble(`The program was started again, at another address, which it has printed. Close this page.${said}`);
}

function trouble(text) {
  at("trouble").textContent = text;
  at("trouble").hidden = false;
}

// Only one thing at a time: what was said is about what is on the screen.
async function send(path, body) {
  if (sending) return null;
  pending = {path, body};
  sending = post();
  try {
    const said = await sending;
    if (said.error && path !== "class") trouble(said.error);
    return said;
  } catch {
    offline();
    return null;
  } finally {
    sending = null;
  }
}

async function post() {
  const response = await fetch(pending.path, {
    method: "POST",
    headers: {"content-type": "application/json"},
    body: JSON.stringify(pending.body),
    signal: AbortSignal.timeout(LEAVE_MS),
  });
  const said = await response.json().catch(() => ({error: `The server refused this (${response.status}).`}));
  pending = null;
  if (said.version) take(said);
  return said;
}

// After the server was away: say again what was not acknowledged, if it is still about the question on top.
async function resend() {
  if (!pending || sending) return;
  if (pending.body.question === (state.question && state.question.key)) await send(pending.path, pending.body);
  else pending = null;
}

// What a person can do

const confidence = () => Number(at("slider").value) / 100;
const answer = (what) => state.question && send("answer", {question: state.question.key, ...what});
const choose = (number) => answer({class: state.classes[number], confidence: confidence()});
const undo = () => state.undo && send("undo", {question: state.undo});
const go = () => state.undo && send("go", {question: state.undo});

function setConfidence(value) {
  at("slider").value = Math.round(100 * value);
  at("percent").textContent = percent(confidence());
  for (const button of at("levels").children) {
    button.setAttribute("aria-pressed", String(Math.round(100 * button.level) === Number(at("slider").value)));
  }
}

function stepConfidence(step) {
  const levels = Object.values(state.levels).sort((a, b) => a - b);
  const next = step > 0 ? levels.find((level) => level > confidence()) : levels.findLast((level) => level < confidence());
  if (next !== undefined) setConfidence(next);
}

function openForm(open) {
  if (open && !(state.phase === "asking" && state.new_classes)) return;
  at("new-class-form").hidden = !open;
  at("new-class").setAttribute("aria-expanded", String(open));
  at("new-class-error").textContent = "";
  at("new-class-name").value = "";
  (open ? at("new-class-name") : at("asking")).focus();
}

async function addClass(event) {
  event.preventDefault();
  const name = at("new-class-name").value.trim();
  const said = await send("class", {name});
  if (!said) return;
  if (said.error) {
    at("new-class-error").textContent = said.error;
    return;
  }
  const number = said.classes.indexOf(name);
  openForm(false);
  if (number >= 0) choose(number);
}

function pressed(event) {
  if (!state || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  const {key, target} = event;
  if (key === "Escape" && !at("new-class-form").hidden) return openForm(false);
  if (target.matches("input:not([type=range])")) return;
  if ((key === " " || key === "Enter") && target.matches("button")) return;  // presses that button
  const number = keysOf(state.classes).indexOf(key);
  const asking = state.phase === "asking", review = state.phase === "review";
  if (key === "Backspace" && (asking || review)) undo();
  else if (key === "Enter" && review) go();
  else if (!asking) return;
  else if (number >= 0) choose(number);
  else if (key === "Enter" && state.question.suggestion) choose(state.question.suggestion.class);
  else if (key === "x") answer({reply: "invalid"});
  else if (key === " ") answer({reply: "skip"});
  else if (key === "n") openForm(true);
  else if (key === ".") stepConfidence(1);
  else if (key === ",") stepConfidence(-1);
  else return;
  event.preventDefault();
}

// What is shown

function render() {
  const {phase, question} = state;
  const asking = phase === "asking", review = phase === "review";
  at("asking").hidden = !asking;
  at("review").hidden = !review;
  at("pause").hidden = asking || review;
  document.body.className = phase;
  renderHeader();
  const showing = asking ? question.key : phase;
  const news = showing !== shown;
  shown = showing;
  if (asking) renderQuestion(news);
  else if (review) renderReview();
  else renderPause();
  if (!news) return;
  if (!at("new-class-form").hidden) openForm(false);
  const main = asking ? at("asking") : review ? at("review") : at("pause");
  main.focus({preventScroll: true});
  at("spoken").textContent = spoken();
}

function renderHeader() {
  const {phase, question, left, answered, guesses} = state;
  at("where").textContent = question ? `Round ${question.round}, question ${question.number} of ${question.of}` : "";
  at("left").textContent = left === null ? counted(answered, "answer") : `${counted(answered, "answer")}, ${left} left`;
  at("guesses").textContent = guesses.judged ? `model's guesses right: ${guesses.right} of ${guesses.judged}` : "";
  at("progress").hidden = !question && phase !== "review";
  at("progress").value = question ? (question.number - 1) / question.of : 1;
  const titles = {asking: question && `${question.number}/${question.of}`, review: "answered", training: "training…",
                  waiting: "starting…", done: "done", stopped: "stopped"};
  document.title = `${titles[phase]} · sklvae`;
}

function renderQuestion(news) {
  const {question} = state;
  if (news) {
    at("levels").replaceChildren(...Object.entries(state.levels).map(([name, level]) =>
      element("button", {type: "button", textContent: name, level, onclick: () => setConfidence(level)})));
    at("subject").hidden = at("beside").hidden = !question.is_image;
    at("tabular").hidden = question.is_image;
    if (question.is_image) renderPictures(question);
    else renderTable(question);
    setConfidence(1);
  }
  renderSuggestion(question.suggestion);
  renderClasses(question.suggestion);
  at("undo").disabled = !state.undo;
  at("new-class").hidden = !state.new_classes;
}

const origin = ({row}) => (row === null ? "Drawn by the model: the middle of a group of rows" : `Row ${row} of your data`);

function loaded({target}) {  // pixels of small images stay sharp, photos are smoothed
  target.classList.toggle("fine", target.naturalWidth > 200);
  document.documentElement.style.setProperty("--shape", `${target.naturalWidth} / ${target.naturalHeight}`);
}

function renderPictures(question) {
  at("picture").onload = loaded;
  at("picture").src = `pictures/${question.key}/x`;
  at("picture").alt = origin(question);
  at("caption").textContent = origin(question);
  at("beside").hidden = !question.near.length;
  at("beside-title").textContent = "Real rows near it";
  at("neighbors").replaceChildren(...question.near.map((row, i) => {
    const image = element("img", {src: `pictures/${question.key}/${i}`, alt: `Row ${row}, near it`, onload: loaded});
    return element("li", {}, image, element("span", {textContent: `row ${row}`}));
  }));
}

function renderTable(question) {
  const {features, near, n_features} = question;
  const known = features.some((feature) => feature.usual !== null);
  const head = ["", question.row === null ? "group" : `row ${question.row}`,
                ...(known ? ["from the mean", "mean"] : []), ...(known ? near.map((row) => `row ${row}`) : [])];
  const lines = features.map((feature) => {
    const cells = [element("th", {textContent: feature.name, title: feature.name, scope: "row"}),
                   element("td", {textContent: feature.value, className: "value"})];
    if (known) cells.push(deviation(feature), element("td", {textContent: feature.usual, className: "usual"}));
    cells.push(...feature.near.map((value) => element("td", {textContent: value, className: "near"})));
    return element("tr", {}, ...cells);
  });
  at("features").replaceChildren(
    element("caption", {className: "quiet", textContent: origin(question)}),
    element("thead", {}, element("tr", {}, ...head.map((text) => element("th", {textContent: text, scope: "col"})))),
    element("tbody", {}, ...lines));
  const order = known ? "those that deviate most, in standard deviations" : "the first ones";
  at("more-features").textContent = features.length < n_features || known
    ? `${features.length} of ${n_features} columns: ${order}.` : "";
}

function deviation({deviation: d}) {
  const width = Math.min(Math.abs(d), 4) * 12.5;
  const bar = element("i");
  bar.style.left = `${d < 0 ? 50 - width : 50}%`;
  bar.style.width = `${width}%`;
  const text = `${d > 0 ? "+" : ""}${d.toFixed(1)}`;
  return element("td", {}, element("span", {textContent: `${text} `}), element("span", {className: "deviation"}, bar));
}

function renderSuggestion(suggestion) {
  at("suggestion").replaceChildren(...(suggestion
    ? [`The model's guess: `, element("strong", {textContent: suggestion.name}),
       ` (${percent(suggestion.probability)}) `,
       element("span", {className: "keys"}, element("kbd", {textContent: "↵"}), " agrees")]
    : [state.classes.length ? "The model has no guess yet." : "There are no classes yet: add the first one."]));
}

function renderClasses(suggestion) {
  const keys = keysOf(state.classes);
  const longest = Math.max(2, ...state.classes.map((name) => name.length));
  at("classes").style.setProperty("--longest", Math.min(longest, 24));
  at("classes").replaceChildren(...state.classes.map((name, number) => {
    const button = element("button", {textContent: name, onclick: () => choose(number)});
    if (keys[number] !== null) {
      button.append(element("kbd", {textContent: keys[number], ariaHidden: "true"}));
      button.setAttribute("aria-keyshortcuts", keys[number]);
    }
    button.setAttribute("aria-label", name);
    button.title = name;
    button.classList.toggle("guess", Boolean(suggestion) && suggestion.class === number);
    return button;
  }));
}

function renderReview() {
  at("said").replaceChildren(...state.said.map((one) => {
    const item = element("li", {className: one.is_class ? "" : "other"});
    if (one.is_image) item.append(element("img", {src: `pictures/${one.key}/x`, alt: ""}));
    item.append(one.name);
    if (one.is_class) item.append(element("small", {textContent: percent(one.confidence)}));
    return item;
  }));
  state.until = performance.now() + 1000 * (state.review - state.seconds);
  tick();
}

const PAUSES = {
  waiting: ["Getting to know your data", "The model learns without labels first. The first question comes by itself."],
  training: ["Training…", "The model learns from your answers. The next questions come by themselves."],
  done: ["Done. Thank you!", "The program has what it asked for. You can close this page."],
  stopped: ["Stopped", "The program has ended before its last question. Your answers are kept by the oracle."],
};

function renderPause() {
  const {phase, counts, answered, guesses} = state;
  at("pause-heading").textContent = PAUSES[phase][0];
  const guessed = guesses.judged ? ` The model guessed ${guesses.right} of ${guesses.judged} right beforehand.` : "";
  const heard = answered ? ` ${counted(answered, "answer")}${ended() ? "" : " so far"}.${guessed}` : "";
  at("pause-text").textContent = PAUSES[phase][1] + heard;
  const most = Math.max(1, ...counts.map((one) => one.n));
  at("counts").replaceChildren(...counts.filter((one) => one.n).flatMap((one) => {
    const bar = element("i");
    bar.style.width = `${(100 * one.n) / most}%`;
    return [element("dt", {textContent: one.name}), element("dd", {className: "bar"}, bar),
            element("dd", {className: "n", textContent: one.n})];
  }));
  state.begun = performance.now() - 1000 * state.seconds;
  tick();
}

function spoken() {
  const {phase, question} = state;
  if (phase === "review") return "This round is answered. Enter trains now, Backspace takes the last answer back.";
  if (!question) return PAUSES[phase].join(" ");
  const guess = question.suggestion ? ` The model's guess: ${question.suggestion.name}.` : "";
  return `Question ${question.number} of ${question.of}. ${origin(question)}.${guess}`;
}

function tick() {
  if (!state) return;
  if (state.phase === "review") {
    const seconds = Math.max(0, Math.ceil((state.until - performance.now()) / 1000));
    at("countdown").textContent = `in ${counted(seconds, "second")}`;
  }
  if (state.phase === "training") {
    const seconds = Math.floor((performance.now() - state.begun) / 1000);
    at("pause-heading").textContent = seconds < 3 ? "Training…" : `Training… ${seconds} s`;
  }
}

function start() {
  const actions = {
    invalid: () => answer({reply: "invalid"}), skip: () => answer({reply: "skip"}), undo, "undo-review": undo, go,
    "new-class": () => openForm(at("new-class-form").hidden), "new-class-cancel": () => openForm(false),
  };
  for (const [id, act] of Object.entries(actions)) at(id).onclick = act;
  at("new-class-form").onsubmit = addClass;
  at("slider").oninput = () => setConfidence(confidence());
  document.addEventListener("keydown", pressed);
  setInterval(tick, 250);
  follow();
}

start();
