// The list of incidents, with and without a script.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { ANY_KEY, PHONE, Server, Visitor, audit, launch, row, titles, until } from "./support.js";

const numbers = {};

const browser = await launch();
const server = await Server.start();
const make = async (name, fields) => { numbers[name] = await server.incident({ title: name, ...fields }); };
await make("mild", { severity: "SEV3" });
await make("worst", { severity: "SEV0", service_id: "SER-00002" });
await make("usual", { severity: "SEV2", status: "investigating" });
await make("over", { severity: "SEV1", status: "resolved" });
numbers.other = await server.incident({ id: "o", title: "other sender", severity: "warning" }, ANY_KEY);
after(async () => { await browser.close(); await server.stop(); });

for (const javaScriptEnabled of [true, false]) {
  const how = javaScriptEnabled ? "with a script" : "without a script";

  test(`the list shows what is open, the worst first, and counts it, ${how}`, async () => {
    const visitor = await Visitor.open(browser, server, { javaScriptEnabled });
    const page = await visitor.go();
    const shown = await titles(page);
    assert.deepEqual([shown[0], shown.at(-1), shown.length], ["worst", "mild", 4]);
    const tabs = (name) => page.getByRole("navigation", { name }).getByRole("link").allTextContents();
    assert.deepEqual(await tabs("Severity"), ["SEV0 1", "SEV1 0", "SEV2 2", "SEV3 1", "SEV4 0"]);
    assert.deepEqual(
      await tabs("Status"),
      ["open 4", "new 3", "investigating 1", "fixing 0", "monitoring 0", "resolved 1", "closed", "all"],
    );
    assert.equal(await page.title(), "(4) Incidents · Firebell");
    assert.equal(await page.locator(".total").textContent(), "4 incidents");
    await audit(page);
    await visitor.close();
  });

  test(`filters are in the URL, where a bookmark keeps them, ${how}`, async () => {
    const visitor = await Visitor.open(browser, server, { javaScriptEnabled });
    const page = await visitor.go();
    await page.getByRole("link", { name: /^SEV2/ }).click();
    await page.getByRole("link", { name: "investigating 1" }).click();
    assert.deepEqual(await titles(page), ["usual"]);
    await page.getByLabel("Service").selectOption("Website");
    await page.getByLabel("Integration").selectOption("local");
    await page.getByLabel(/^Created\s*any time/).selectOption("last hour");
    await page.getByLabel("Search").fill("usual");
    await page.getByRole("button", { name: "Show" }).click();
    await page.waitForURL(/search=usual/);
    const bookmark = new URL(page.url());
    assert.deepEqual(
      Object.fromEntries([...bookmark.searchParams].filter(([name, value]) => value && name !== "sort")),
      { severity: "SEV2", status: "investigating", service_id: "SER-00001", integration: "local", since: "1h", search: "usual" },
    );
    await audit(page);
    const again = await visitor.go(bookmark.pathname + bookmark.search);
    assert.deepEqual(await titles(again), ["usual"]);
    assert.equal(await again.getByLabel("Search").inputValue(), "usual");
    assert.equal(await again.getByLabel("Service").inputValue(), "SER-00001");
    assert.equal(await again.getByLabel("Integration").inputValue(), "local");
    assert.equal(await again.getByLabel(/^Created\s*any time/).inputValue(), "1h");
    assert.equal(await again.locator('.tabs a[aria-current]').count(), 2);
    await again.getByRole("link", { name: "Clear" }).click();
    assert.equal((await titles(again)).length, 4);
    await visitor.close();
  });

  test(`on a phone the filters are folded up unless one is in force, ${how}`, async () => {
    const visitor = await Visitor.open(browser, server, { javaScriptEnabled, viewport: PHONE });
    const page = await visitor.go();
    assert.ok(await page.getByLabel("Service").isHidden());
    const { y } = await page.locator(".row").first().boundingBox();
    assert.ok(y < PHONE.height / 2, `the first incident is at ${y}`);
    await page.getByText("Filters", { exact: true }).click();
    await page.getByLabel("Service").selectOption("Database");
    await audit(page);
    await page.getByRole("button", { name: "Show" }).click();
    await page.waitForURL(/service_id=SER-00002/);
    assert.deepEqual(await titles(page), ["worst"]);
    assert.ok(await page.getByLabel("Service").isVisible());
    await visitor.close();
  });

  test(`each filter alone leaves what it says, ${how}`, async () => {
    const visitor = await Visitor.open(browser, server, { javaScriptEnabled });
    const page = await visitor.page();
    const list = async (query) => {
      await page.goto(`${server.url}/?${query}`);
      return (await titles(page)).sort();
    };
    assert.deepEqual(await list("status=resolved"), ["over"]);
    assert.equal((await list("status=all")).length, 5);
    assert.deepEqual(await list("severity=SEV0&severity=SEV3"), ["mild", "worst"]);
    assert.deepEqual(await list("service_id=SER-00002"), ["worst"]);
    assert.deepEqual(await list("integration=any"), ["other sender"]);
    assert.deepEqual(await list("search=other"), ["other sender"]);
    assert.equal((await list("since=24h")).length, 4);
    assert.deepEqual(await list("search=nowhere"), []);
    assert.ok(await page.getByText("No incident is like that.").isVisible());
    await audit(page);
    assert.equal((await list("severity=SEV9")).length, 4);
    assert.match(await page.getByRole("alert").textContent(), /severity/);
    await audit(page);
    await visitor.close();
  });

  test(`what is chosen is acknowledged and resolved together, ${how}`, async () => {
    const mine = await Server.start();
    const visitor = await Visitor.open(browser, mine, { javaScriptEnabled, viewport: PHONE });
    const both = [await mine.incident({ title: "bulk one" }), await mine.incident({ title: "bulk two" })];
    const page = await visitor.go("/?search=bulk");
    await page.getByRole("button", { name: "Acknowledge chosen" }).click();
    assert.equal(await page.getByRole("alert").textContent().then((text) => text.trim()), "Choose incidents first.");
    await audit(page);
    const act = async (button, status) => {
      for (const number of both) await row(page, number).getByRole("checkbox").check();
      if (javaScriptEnabled) assert.equal(await page.locator("#chosen").textContent(), "2 chosen");
      await page.getByRole("button", { name: button }).click();
      for (const number of both) {
        await until(() => mine.api(number), (incident) => incident.status === status, `${number} ${status}`);
      }
      await page.waitForURL(/search=bulk/);
    };
    await act("Acknowledge chosen", "investigating");
    assert.equal(await page.locator(".row .status.investigating").count(), 2);
    await act("Resolve chosen", "resolved");
    assert.equal(await page.locator(".row").count(), 0);
    await visitor.close();
    await mine.stop();
  });
}

test("all on the page can be chosen at once", async () => {
  const visitor = await Visitor.open(browser, server);
  const page = await visitor.go();
  await page.getByLabel("All on this page").check();
  assert.equal(await page.locator('.row input:checked').count(), 4);
  await row(page, numbers.worst).getByRole("checkbox").uncheck();
  assert.equal(await page.locator("#chosen").textContent(), "3 chosen");
  assert.equal(await page.getByLabel("All on this page").isChecked(), false);
  await visitor.close();
});

test("120 incidents are paged, each of them once", async () => {
  const many = await Server.start();
  const visitor = await Visitor.open(browser, many, { javaScriptEnabled: false });
  for (let at = 0; at < 120; at += 1) await many.incident({ title: `number ${at}`, severity: `SEV${at % 5}` });
  const page = await visitor.go();
  const seen = new Set(await titles(page));
  assert.equal(seen.size, 50);
  assert.equal(await page.locator(".total").textContent(), "120 incidents");
  for (const size of [100, 120]) {
    await page.getByRole("link", { name: "Next page" }).click();
    for (const title of await titles(page)) seen.add(title);
    assert.equal(seen.size, size);
  }
  assert.equal(await page.getByRole("link", { name: "Next page" }).count(), 0);
  await audit(page);
  await page.getByRole("link", { name: "First page" }).click();
  assert.equal((await titles(page)).length, 50);
  assert.equal(await page.title(), "(120) Incidents · Firebell");
  assert.equal(await page.locator('link[rel="icon"]').getAttribute("href"), "/favicon/120.svg");
  await visitor.close();
  await many.stop();
});
