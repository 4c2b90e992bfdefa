// Logging in and out with a token, what it allows, and how long it lasts.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, test } from "node:test";
import { ADMIN, ANY_KEY, CONFIG, DESKTOP, PHONE, READER, TOKENS, Server, Visitor, audit, launch } from "./support.js";

const browser = await launch();
const server = await Server.start(CONFIG + TOKENS);
const number = await server.incident({ title: "private" });
after(async () => { await browser.close(); await server.stop(); });

const logIn = async (page, token) => {
  await page.getByLabel("Token").fill(token);
  await page.getByRole("button", { name: "Log in" }).click();
};

for (const javaScriptEnabled of [true, false]) {
  const how = javaScriptEnabled ? "with a script" : "without a script";

  test(`a login leads where one was going, and a logout ends it, ${how}`, async () => {
    const visitor = await Visitor.open(browser, server, { javaScriptEnabled, viewport: PHONE });
    const number = await server.incident({ title: "private" });
    const page = await visitor.go(`/incidents/${number}?timeline=0`);
    assert.equal(new URL(page.url()).pathname, "/login");
    assert.ok(!(await page.content()).includes("private"));
    await audit(page);
    await logIn(page, "wrong-token-0123456789");
    await page.getByRole("alert").waitFor();
    assert.match(await page.getByRole("alert").textContent(), /none of the tokens/);
    assert.deepEqual(await visitor.context.cookies(), []);
    assert.equal(await page.getByLabel("Token").inputValue(), "");
    await audit(page);
    await logIn(page, ADMIN);
    await page.getByRole("heading", { level: 1, name: "private" }).waitFor();
    assert.equal(page.url(), `${server.url}/incidents/${number}?timeline=0`);
    assert.equal(await page.locator(".who").textContent(), "ada@example.org");
    const [cookie, ...others] = await visitor.context.cookies();
    assert.deepEqual([cookie.httpOnly, cookie.sameSite, cookie.path, others.length], [true, "Strict", "/", 0]);
    assert.ok(!cookie.value.includes(ADMIN));
    assert.equal(await page.evaluate("document.cookie"), "");
    await audit(page);
    await page.getByRole("button", { name: "Acknowledge" }).click();
    await page.getByText("acknowledged by ada@example.org").first().waitFor();

    await page.getByRole("button", { name: "Log out" }).click();
    await page.getByLabel("Token").waitFor();
    assert.deepEqual(await visitor.context.cookies(), []);
    await visitor.context.addCookies([cookie]);
    await page.goto(server.url);
    assert.equal(new URL(page.url()).pathname, "/login");
    await visitor.close();
  });

  test(`who may only read sees no buttons, ${how}`, async () => {
    const visitor = await Visitor.open(browser, server, { javaScriptEnabled });
    await server.incident({ title: "any", id: "r" }, ANY_KEY);
    const page = await visitor.go("/login");
    await logIn(page, READER);
    await page.locator(".row").first().waitFor();
    await page.goto(`${server.url}/integrations/any`);
    const delivery = await page.locator(".deliveries a").first().getAttribute("href");
    for (const path of ["/", `/incidents/${number}`, "/integrations", "/integrations/any", delivery]) {
      const answer = await page.goto(server.url + path);
      assert.equal(answer.status(), 200, path);
      const buttons = await page.locator("main button:visible").allTextContents();
      assert.deepEqual(buttons, path === "/" ? ["Show"] : [], path);
      assert.equal(await page.locator('main form[method="post"] :is(input, textarea, select)').count(), 0, path);
      await audit(page);
    }
    assert.equal(await page.getByRole("link", { name: "Services" }).count(), 0);
    assert.equal((await page.goto(`${server.url}/services`)).status(), 403);
    await audit(page);
    const forced = await visitor.context.request.post(`${server.url}/incidents/${number}`, { form: { do: "resolve" } });
    assert.equal(forced.status(), 403);
    await visitor.close();
  });
}

test("a login leads to no other site", async () => {
  const visitor = await Visitor.open(browser, server, { javaScriptEnabled: false });
  for (const next of ["https://example.org/", "//example.org/", "/\\example.org", "javascript:alert(1)"]) {
    await visitor.context.clearCookies();
    const page = await visitor.go(`/login?next=${encodeURIComponent(next)}`);
    await logIn(page, ADMIN);
    await page.waitForURL(`${server.url}/`);
  }
  await visitor.close();
});

test("a session survives a restart, and ends with its token", async () => {
  const visitor = await Visitor.open(browser, server);
  const page = await visitor.go("/services");
  await logIn(page, ADMIN);
  await page.getByRole("heading", { name: "Services" }).waitFor();
  await server.halt();
  await server.run();
  await page.reload();
  assert.equal(new URL(page.url()).pathname, "/services");
  // Open pages notice by themselves.
  const open = await visitor.go("/");
  await open.getByText("live", { exact: true }).waitFor();
  await server.reload(CONFIG + TOKENS.slice(TOKENS.lastIndexOf("[[tokens]]")));
  for (const one of [open, page]) await one.waitForURL(/\/login/);
  await server.reload(CONFIG + TOKENS);
  await visitor.close(/\/stream|EventSource|ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED|status of 503/);
});

test("who follows a link from elsewhere is still logged in", async () => {
  const elsewhere = createServer((_, answer) => {
    answer.setHeader("content-type", "text/html").end(`<a href="${server.url}/incidents/${number}">to it</a>`);
  });
  await new Promise((done) => elsewhere.listen(0, "127.0.0.1", done));
  after(() => { elsewhere.closeAllConnections(); elsewhere.close(); });
  const address = `http://localhost:${elsewhere.address().port}`;
  const visitor = await Visitor.open(browser, server, { javaScriptEnabled: false, viewport: DESKTOP });
  const page = await visitor.go("/login");
  await logIn(page, ADMIN);
  await page.locator(".row").first().waitFor();
  await page.goto(address);
  await page.getByRole("link").click();
  await page.getByRole("heading", { level: 1, name: "private" }).waitFor();
  await visitor.close(/a request to http:\/\/localhost|no policy at http:\/\/localhost|favicon/);
});

test("a form of another site does nothing", async () => {
  const visitor = await Visitor.open(browser, server);
  const page = await visitor.go("/login");
  await logIn(page, ADMIN);
  await page.locator(".row").first().waitFor();
  const forged = await visitor.context.request.post(`${server.url}/incidents/${number}`, {
    form: { do: "resolve" }, headers: { "sec-fetch-site": "cross-site", accept: "text/html" },
  });
  assert.equal(forged.status(), 403);
  assert.match(await forged.text(), /page of another site/);
  await visitor.close();
});

test("the page where one logs in has its icon", async () => {
  const visitor = await Visitor.open(browser, server);
  const page = await visitor.go("/login");
  const icon = await page.locator('link[rel="icon"]').getAttribute("href");
  const answer = await visitor.context.request.get(server.url + icon, { maxRedirects: 0 });
  assert.deepEqual([answer.status(), answer.headers()["content-type"]], [200, "image/svg+xml"]);
  await visitor.close();
});
