// The hub: keys, test incidents, deliveries; and the services.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { CONFIG, KEY, PAGER_KEY, PHONE, Server, Visitor, audit, launch, service, until } from "./support.js";

const browser = await launch();
let server = await Server.start();
after(async () => { await browser.close(); await server.stop(); });

for (const javaScriptEnabled of [true, false]) {
  const how = javaScriptEnabled ? "with a script" : "without a script";

  test(`a key is shown when it is asked for, ${how}`, async () => {
    const visitor = await Visitor.open(browser, server, { javaScriptEnabled });
    const page = await visitor.go("/integrations");
    await audit(page);
    await page.getByRole("link", { name: "local" }).click();
    await page.getByRole("heading", { level: 1, name: "local" }).waitFor();
    assert.ok(!(await page.content()).includes(KEY));
    assert.match(await page.locator("#url").textContent(), /\/webhooks\/•+$/);
    await audit(page);
    await page.getByRole("button", { name: "Show the key" }).click();
    await page.locator("#url").getByText(KEY).waitFor();
    assert.equal(await page.locator("#url").textContent(), `${server.url}/webhooks/${KEY}`);
    assert.match(await page.locator("#curl").textContent(), new RegExp(`^curl -X POST ${server.url}/webhooks/${KEY} `));
    assert.equal(await page.getByRole("button", { name: "Copy" }).count(), javaScriptEnabled ? 2 : 0);
    await audit(page);
    // It is in no address, and so in no history.
    assert.ok(!page.url().includes(KEY));
    await page.goto(`${server.url}/integrations/local`);
    assert.ok(!(await page.content()).includes(KEY));
    await visitor.close();
  });

  test(`a test incident comes, and comes once, ${how}`, async () => {
    const visitor = await Visitor.open(browser, server, { javaScriptEnabled });
    const numbers = new Set();
    const page = await visitor.go("/integrations/any");
    for (let at = 0; at < 2; at += 1) {
      await page.getByRole("button", { name: "Send a test incident" }).click();
      await page.getByText("Sent:").waitFor();
      numbers.add(await page.locator(".done a").textContent());
    }
    assert.equal(numbers.size, 1);
    await audit(page);
    await page.locator(".done a").click();
    await page.getByRole("heading", { level: 1, name: "Test incident of any" }).waitFor();
    await audit(page);
    await visitor.close();
  });

  test(`a refused delivery says why, and is sent again once that is mended, ${how}`, async () => {
    const id = `SER-0000${javaScriptEnabled ? 3 : 4}`;
    const visitor = await Visitor.open(browser, server, { javaScriptEnabled, viewport: PHONE });
    const answer = await server.post({ title: "Mail is late", service_id: id });
    assert.equal(answer.status, 400);
    const page = await visitor.go("/integrations");
    await page.getByText(/1 refused/).waitFor();
    await page.getByRole("link", { name: "local" }).click();
    await page.getByRole("link", { name: "refused" }).click();
    const refused = page.locator(".deliveries .refused").first();
    assert.match(await refused.locator(".why").textContent(), new RegExp(id));
    await audit(page);
    await refused.getByRole("link").first().click();
    assert.match(await page.locator("pre.body").textContent(), /"title": "Mail is late"/);
    assert.match(await page.locator(".why").textContent(), new RegExp(id));
    assert.ok(!(await page.content()).includes(KEY));
    await audit(page);
    await server.reload(CONFIG + service(id, "Mail"));
    await page.getByRole("button", { name: "Send it again" }).click();
    await page.getByRole("heading", { level: 1, name: "local" }).waitFor();
    const again = page.locator(".deliveries li").first();
    assert.match(await again.textContent(), /1 created[\s\S]*again, from #\d+/);
    await audit(page);
    await again.getByRole("link", { name: /^INC-/ }).click();
    await page.getByRole("heading", { level: 1, name: "Mail is late" }).waitFor();
    await server.reload(CONFIG);
    await server.reload(CONFIG);
    await visitor.close();
    await clear(visitor);
  });

  test(`services are listed with what is open about them, ${how}`, async () => {
    const visitor = await Visitor.open(browser, server, { javaScriptEnabled });
    await server.incident({ title: "slow", dedup_key: "slow", service_id: "SER-00002" });
    const page = await visitor.go();
    await page.getByRole("link", { name: "Services" }).click();
    const card = page.locator(".cards li").filter({ hasText: "Database" });
    assert.match(await card.textContent(), /SER-00002[\s\S]*SEV1 unless[\s\S]*1 open/);
    await audit(page);
    await card.getByRole("link").click();
    assert.equal(await page.locator(".row").count(), 1);
    await visitor.close();
  });
}

/** Takes the refused deliveries away, so that the next test counts its own. */
async function clear() {
  await server.stop();
  server = await Server.start();
}

test("what is copied is what is shown", async () => {
  const visitor = await Visitor.open(browser, server, { permissions: ["clipboard-read", "clipboard-write"] });
  const page = await visitor.go("/integrations/pager");
  await page.getByRole("button", { name: "Show the key" }).click();
  for (const id of ["url", "key", "curl"]) {
    const button = page.locator(`[data-copy="${id}"]`);
    await button.click();
    await until(() => button.textContent(), (text) => text === "Copied", "it says so");
    assert.equal(
      await page.evaluate(() => navigator.clipboard.readText()),
      await page.locator(`#${id}`).textContent(),
    );
  }
  assert.equal(await page.locator("#key").textContent(), PAGER_KEY);
  await audit(page);
  await visitor.close();
});

test("every body is shown as it came: text, markup, nothing at all", async () => {
  const visitor = await Visitor.open(browser, server, { viewport: PHONE });
  for (const body of ["", "<script>window.hacked=1</script>", "{\"title\":", "é".repeat(300)]) {
    assert.equal((await server.post(body)).status, 400);
    const page = await visitor.go("/integrations/local");
    await audit(page);
    await page.locator(".deliveries a").first().click();
    assert.equal(await page.locator("pre.body").textContent(), body);
    await audit(page);
  }
  await visitor.close();
});
