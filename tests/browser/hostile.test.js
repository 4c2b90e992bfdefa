// Everything that comes from outside is text, whatever it is, and no page gets wider by it.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { CONFIG, DESKTOP, PHONE, Server, Visitor, audit, launch, titles } from "./support.js";

const HOSTILE = {
  script: "<script>window.hacked=1</script>",
  image: "\"><img src=x onerror=window.hacked=1>",
  quotes: "' onmouseover='window.hacked=1' \" autofocus onfocus=\"window.hacked=1",
  template: "{{ 7 * 7 }}{% raw %}</title></textarea></select><!--",
  address: "javascript:alert(1)",
  emoji: "🔥".repeat(200),
  override: "invoice \u202Egnp.exe\u202E and more",
  isolates: "\u2067\u2067\u2067 שלום",
  invisible: "ze\u200Bro\u200D\u200C\uFEFFwidth",
  long: "W".repeat(200),
  nothing: "\u200B\u200B",
  dashes: "-".repeat(200),
};

const numbers = {};

const odd = HOSTILE.image.slice(0, 40);
const config = `${CONFIG}
[[services]]
id = "x"
name = ${JSON.stringify(odd)}
description = ${JSON.stringify(HOSTILE.long)}
aliases = [${JSON.stringify("W".repeat(50))}]
[[integrations]]
name = "${"w".repeat(64)}"
source = "mapping"
routing_keys = ["browser-test-mapped-0123456789"]
default_service = "x"
[integrations.mapping]
title = "payload.title"
source_url = "payload.link"
description = "payload.title"
metadata = "{'link': payload.link}"
`.replace('organization = "Test house"', `organization = ${JSON.stringify(odd)}`);
const browser = await launch();
const server = await Server.start(config);
const api = (path, body) => fetch(server.url + path, {
  method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body),
});
for (const [name, text] of Object.entries(HOSTILE)) {
  const number = await server.incident({
    service_id: "x", title: text, description: text.repeat(3), dedup_key: text,
    metadata: { [text.slice(0, 60)]: text, nested: { [text.slice(0, 60)]: [text] } },
    source_url: `https://example.org/${encodeURIComponent(text).slice(0, 1900)}`,
  });
  numbers[name] = number;
  assert.equal((await api(`/api/v1/incidents/${number}/events`, { comment: text })).status, 201);
  await api(`/api/v1/incidents/${number}/status`, { status: "fixing", comment: text });
  const mapped = await server.incident({ title: text, link: "javascript:window.hacked=1" }, "browser-test-mapped-0123456789");
  numbers[`mapped ${name}`] = mapped;
  assert.equal((await server.post(text)).status, 400);
}
const assigned = await fetch(`${server.url}/api/v1/incidents/${numbers.long}`, {
  method: "PATCH", headers: { "content-type": "application/json" }, body: JSON.stringify({ assigned_to: "w".repeat(100) }),
});
assert.equal(assigned.status, 200, await assigned.text());
after(async () => { await browser.close(); await server.stop(); });

for (const [viewport, size] of [[PHONE, "phone"], [DESKTOP, "desktop"]]) {
  test(`hostile texts are shown as they are, on a ${size}`, async () => {
    const visitor = await Visitor.open(browser, server, { viewport });
    const page = await visitor.go("/?status=all");
    const shown = await titles(page);
    for (const text of Object.values(HOSTILE)) assert.equal(shown.filter((title) => title === text).length, 2, text);
    await audit(page);
    for (const [name, text] of Object.entries(HOSTILE)) {
      await page.goto(`${server.url}/incidents/${numbers[name]}`);
      assert.equal(await page.getByRole("heading", { level: 1 }).textContent(), text);
      assert.equal(await page.locator("#facts code").textContent(), text);
      assert.equal(await page.locator("#timeline blockquote").first().textContent(), text);
      assert.equal(await page.getByLabel("Title", { exact: true }).inputValue(), text);
      await page.getByText("Edit", { exact: true }).click();
      await audit(page);
      assert.match(await page.locator("#head a").getAttribute("href"), /^https:\/\/example\.org\//);
    }
    await page.goto(`${server.url}/incidents/${numbers["mapped script"]}`);
    assert.equal(await page.locator("#head a").count(), 0);
    assert.equal(await page.locator('a[href^="javascript:"]').count(), 0);
    await audit(page);
    for (const path of ["/integrations", "/integrations/local", "/integrations/local/deliveries/1", `/integrations/${"w".repeat(64)}`, "/services", "/overview"]) {
      await page.goto(server.url + path);
      await audit(page);
    }
    for (const [, text] of Object.entries(HOSTILE)) {
      await page.goto(`${server.url}/?search=${encodeURIComponent(text)}&severity=${encodeURIComponent(text)}`);
      assert.equal(await page.getByLabel("Search").inputValue(), text);
      await page.goto(`${server.url}/incidents/${encodeURIComponent(text)}`);
      assert.equal(await page.getByRole("heading", { level: 1 }).textContent(), "Not found");
    }
    await audit(page);
    await visitor.close();
  });
}

test("an override of direction turns nothing around it", async () => {
  const visitor = await Visitor.open(browser, server);
  const page = await visitor.go(`/?search=${encodeURIComponent("invoice")}&status=all`);
  // The facts beside it are still read from the left: number, then service.
  const facts = page.locator(".row .facts").first().locator("span");
  const [first, second] = [await facts.nth(0).boundingBox(), await facts.nth(1).boundingBox()];
  assert.ok(first.x < second.x);
  await visitor.close();
});

test("hostile texts that people write are text", async () => {
  const visitor = await Visitor.open(browser, server, { viewport: PHONE });
  const number = await server.incident({ title: "written" });
  const page = await visitor.go(`/incidents/${number}`);
  for (const text of [HOSTILE.script, HOSTILE.image, HOSTILE.long, HOSTILE.override]) {
    await page.getByLabel("Comment").fill(text);
    await page.getByRole("button", { name: "Comment" }).click();
    await page.locator("blockquote").getByText(text, { exact: true }).waitFor();
    await audit(page);
  }
  await visitor.close();
});
