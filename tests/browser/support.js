// What the tests share: a Firebell of their own, a browser, and what has to hold on every page.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const BINARY = process.env.FIREBELL || fileURLToPath(new URL("../../target/debug/firebell", import.meta.url));
const AXE = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const PATIENCE = 8000;

// The least that has to hold of WCAG.
const STANDARDS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];

export const PHONE = { width: 360, height: 740 };
export const DESKTOP = { width: 1280, height: 900 };

export const KEY = "browser-test-key-0123456789";
export const ANY_KEY = "browser-test-any-0123456789";
export const PAGER_KEY = "browsertestpager0123456789abcdef";
export const ADMIN = "browser-test-admin-0123456789";
export const READER = "browser-test-reader-0123456789";

export const CONFIG = `
[defaults]
organization = "Test house"

[[services]]
id = "SER-00001"
name = "Website"
description = "What customers see"
aliases = ["web"]

[[services]]
id = "SER-00002"
name = "Database"
default_severity = "SEV1"

[[integrations]]
name = "local"
source = "custom"
routing_keys = ["${KEY}"]

[[integrations]]
name = "any"
source = "generic"
routing_keys = ["${ANY_KEY}"]
default_service = "SER-00001"

[[integrations]]
name = "pager"
source = "pagerduty"
routing_keys = ["${PAGER_KEY}"]
default_service = "SER-00001"
`;

export const TOKENS = `
[[tokens]]
name = "admin"
email = "ada@example.org"
token = "${ADMIN}"
scopes = ["incidents:read", "incidents:write", "services:read"]

[[tokens]]
name = "reader"
token = "${READER}"
scopes = ["incidents:read"]
`;

export const service = (id, name) => `[[services]]\nid = "${id}"\nname = "${name}"\n`;

// Whatever goes wrong, none of them outlives the tests.
const children = new Set();
process.once("exit", () => children.forEach((child) => child.kill("SIGKILL")));

/** The real binary, with a configuration and a store in a folder of its own. */
export class Server {
  static async start(config = CONFIG) {
    const server = new Server();
    server.folder = await mkdtemp(join(tmpdir(), "firebell-browser-"));
    server.port = 0;
    await server.configure(config);
    await server.run();
    return server;
  }

  async configure(config) {
    const head = `listen = "127.0.0.1:${this.port}"\n[store]\npath = "store.db"\n`;
    this.config = config;
    await writeFile(join(this.folder, "config.toml"), head + config);
  }

  /** Starts the process; it listens where it did before. */
  async run() {
    await this.configure(this.config);
    this.said = "";
    this.child = spawn(BINARY, ["serve"], { cwd: this.folder, env: {}, stdio: ["ignore", "ignore", "pipe"] });
    children.add(this.child);
    this.ended = new Promise((done) => this.child.once("exit", done));
    this.child.stderr.setEncoding("utf8").on("data", (text) => { this.said += text; });
    const [, url, port] = await this.hear(/listening on (http:\/\/127\.0\.0\.1:(\d+))/);
    [this.url, this.port] = [url, Number(port)];
  }

  /** Waits until the process has said something. */
  hear(what, from = 0) {
    return new Promise((done, fail) => {
      const look = () => {
        const found = what.exec(this.said.slice(from));
        if (found) finish(done, found);
      };
      const finish = (how, value) => {
        clearTimeout(limit);
        this.child.stderr.off("data", look);
        how(value);
      };
      const limit = setTimeout(finish, PATIENCE, fail, new Error(`not said: ${what}\n${this.said}`));
      this.child.once("error", (error) => finish(fail, error));
      this.child.once("exit", () => finish(fail, new Error(`it ended\n${this.said}`)));
      this.child.stderr.on("data", look);
      look();
    });
  }

  async reload(config) {
    const from = this.said.length;
    await this.configure(config);
    this.child.kill("SIGHUP");
    await this.hear(/the configuration was reloaded/, from);
  }

  /** Ends the process; the folder stays. */
  async halt() {
    if (this.child.exitCode === null) this.child.kill("SIGTERM");
    await this.ended;
    children.delete(this.child);
    assert.doesNotMatch(this.said, /panicked|ERROR/);
  }

  async stop() {
    await this.halt();
    await rm(this.folder, { recursive: true, force: true });
  }

  post(body, key = KEY) {
    const text = typeof body === "string" ? body : JSON.stringify(body);
    const headers = { "content-type": "application/json" };
    return fetch(`${this.url}/webhooks/${key}`, { method: "POST", headers, body: text });
  }

  /** Makes an incident; returns its number. */
  async incident(fields, key = KEY) {
    const answer = await this.post(key === KEY ? { service_id: "SER-00001", ...fields } : fields, key);
    const text = await answer.text();
    assert.ok(answer.ok, text);
    const [number] = /INC-\d{4}-\d+/.exec(text) ?? assert.fail(text);
    return number;
  }

  /** What the API tells of an incident. */
  async api(number) {
    const answer = await fetch(`${this.url}/api/v1/incidents/${number}`);
    return (await answer.json()).data;
  }
}

export const launch = () => chromium.launch({
  executablePath: process.env.CHROMIUM || "/usr/bin/chromium",
  args: [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
  ],
});

// Whose page it is.
const visitors = new WeakMap();

/** A browser's profile in which all that goes wrong is written down. */
export class Visitor {
  static async open(browser, server, options = {}) {
    const visitor = new Visitor();
    visitor.server = server;
    visitor.problems = [];
    Object.assign(visitor, { browser, options });
    visitor.context = await browser.newContext({ viewport: DESKTOP, ...options });
    visitor.context.setDefaultTimeout(PATIENCE);
    return visitor;
  }

  async page() {
    const page = await this.context.newPage();
    visitors.set(page, this);
    const origin = () => new URL(this.server.url).origin;
    page.on("console", (message) => {
      // A page that is itself a refusal is one on purpose.
      const own = message.location().url === page.url() && /the server responded with a status of/.test(message.text());
      if (["error", "warning"].includes(message.type()) && !own) this.problems.push(message.text());
    });
    page.on("pageerror", (error) => this.problems.push(String(error)));
    page.on("request", (request) => {
      const url = new URL(request.url());
      if (url.origin !== origin()) this.problems.push(`a request to ${url}`);
    });
    page.on("response", (response) => {
      if (!response.request().isNavigationRequest() || response.status() === 303) return;
      const policy = response.headers()["content-security-policy"] ?? "";
      if (!policy.includes("default-src 'none'") || policy.includes("unsafe")) {
        this.problems.push(`no policy at ${response.url()}: ${policy}`);
      }
    });
    return page;
  }

  async go(path = "/") {
    const page = await this.page();
    await page.goto(this.server.url + path);
    return page;
  }

  /** The page in a browser that can run axe, which cannot where scripts are off; its own script does not run there. */
  async twin(page) {
    if (this.options.javaScriptEnabled !== false) return page;
    const html = await page.content();
    this.mirror ??= await this.browser.newPage({ viewport: DESKTOP, ...this.options, javaScriptEnabled: true });
    await this.mirror.unrouteAll();
    await this.mirror.route("**/*", (route) => {
      const request = route.request();
      if (request.isNavigationRequest()) return route.fulfill({ contentType: "text/html; charset=utf-8", body: html });
      return request.resourceType() === "stylesheet" ? route.continue() : route.abort();
    });
    await this.mirror.goto(page.url());
    return this.mirror;
  }

  /** That nothing went wrong but what is expected to. */
  async close(...expected) {
    const problems = this.problems.filter((problem) => !expected.some((one) => one.test(problem)));
    await this.mirror?.context().close();
    await this.context.close();
    assert.deepEqual(problems, []);
  }
}

/** What has to hold on every page. */
export async function audit(page) {
  const where = page.url();
  assert.equal(await page.evaluate("window.hacked"), undefined, `${where} ran what was sent`);
  const { scrollWidth, innerWidth, wide } = await page.evaluate(() => {
    const { scrollWidth } = document.scrollingElement;
    const wide = [...document.body.querySelectorAll("*")].filter((one) => one.getBoundingClientRect().right > innerWidth + 1);
    return { scrollWidth, innerWidth, wide: wide.map((one) => one.outerHTML.slice(0, 120)) };
  });
  assert.ok(scrollWidth <= innerWidth, `${where} is ${scrollWidth} wide in ${innerWidth}: ${wide.join("\n")}`);
  const twin = await visitors.get(page).twin(page);
  await twin.evaluate(`typeof axe === "undefined" && (() => { ${AXE} })()`);
  const violations = await twin.evaluate(async (values) => {
    const { violations } = await axe.run({ runOnly: { type: "tag", values }, resultTypes: ["violations"] });
    return violations.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.html}\n${node.failureSummary}`));
  }, STANDARDS);
  assert.deepEqual(violations, [], where);
}

/** Waits until a condition holds of what `look` gives. */
export async function until(look, holds, what) {
  const end = Date.now() + PATIENCE;
  for (;;) {
    const seen = await look();
    if (holds(seen)) return seen;
    if (Date.now() > end) assert.fail(`never: ${what}; last seen: ${JSON.stringify(seen)}`);
    await new Promise((done) => setTimeout(done, 25));
  }
}

export const titles = (page) => page.locator(".row .title").allTextContents();
export const row = (page, number) => page.locator(`.row[data-number="${number}"]`);
