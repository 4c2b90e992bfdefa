// One incident: what is told of it, and what can be done with it, with and without a script.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { ANY_KEY, PHONE, Server, Visitor, audit, launch, until } from "./support.js";

const browser = await launch();
const server = await Server.start();
after(async () => { await browser.close(); await server.stop(); });

for (const javaScriptEnabled of [true, false]) {
  const how = javaScriptEnabled ? "with a script" : "without a script";

  test(`an incident is acknowledged, moved, assigned, edited, commented and resolved, ${how}`, async () => {
    const visitor = await Visitor.open(browser, server, { javaScriptEnabled });
    const number = await server.incident({
      title: "Disk is full", description: "/var has 0 bytes", dedup_key: `disk-${how}`, severity: "SEV2",
      source_url: "https://grafana.example.org/d/1?a=b&c=d", metadata: { host: "db1", free: 0 },
    });
    const page = await visitor.go(`/incidents/${number}`);
    const incident = (holds) => until(() => server.api(number), holds, "the change is in the store");
    const told = async (...texts) => {
      for (const text of texts) await page.locator("#timeline").getByText(text).first().waitFor();
    };
    assert.equal(await page.getByRole("heading", { level: 1 }).textContent(), "Disk is full");
    await audit(page);

    await page.getByRole("button", { name: "Acknowledge" }).click();
    await incident(({ acknowledged_at }) => acknowledged_at);
    await told("acknowledged by local");
    assert.equal(await page.getByRole("button", { name: "Acknowledge" }).count(), 0);

    await page.getByLabel("Status").selectOption("fixing");
    await page.getByLabel("Why").fill("a bigger disk is on its way");
    await page.getByRole("button", { name: "Change" }).click();
    await incident(({ status }) => status === "fixing");
    await told("status changed by local", "a bigger disk is on its way");
    assert.equal(await page.locator("#head .status").textContent(), "fixing");

    await page.getByLabel("Assigned to").fill("ada@example.org");
    await page.getByRole("button", { name: "Assign" }).click();
    await incident(({ assigned_to }) => assigned_to === "ada@example.org");
    await told("assigned by local");
    assert.equal(await page.getByLabel("Assigned to").inputValue(), "ada@example.org");

    await page.getByText("Edit", { exact: true }).click();
    await page.getByLabel("Title").fill("Disk of db1 is full");
    await page.getByLabel("Severity").selectOption("SEV1");
    await page.getByLabel("Description").fill("/var has 0 bytes\nsince noon");
    await audit(page);
    await page.getByRole("button", { name: "Save" }).click();
    const edited = await incident(({ severity }) => severity === "SEV1");
    assert.deepEqual([edited.title, edited.description], ["Disk of db1 is full", "/var has 0 bytes\nsince noon"]);
    await page.getByRole("heading", { level: 1, name: "Disk of db1 is full" }).waitFor();
    await told("updated by local");

    await page.getByLabel("Comment").fill("It was the log.\n\nIt always is.");
    await page.getByRole("button", { name: "Comment" }).click();
    await told("commented by local", /It was the log\.\s+It always is\./);
    assert.equal(await page.getByLabel("Comment").inputValue(), "");

    await page.getByRole("button", { name: "Resolve" }).click();
    await incident(({ status }) => status === "resolved");
    await told("resolved by local");
    await page.locator("#facts").getByText("Resolved", { exact: true }).waitFor();
    assert.equal(await page.getByRole("button", { name: "Resolve" }).count(), 0);
    await audit(page);

    await page.getByLabel("Status").selectOption("closed");
    await page.getByRole("button", { name: "Change" }).click();
    await incident(({ status }) => status === "closed");
    await page.locator("#head .status.closed").waitFor();
    assert.equal(await page.locator("#actions button").count(), 0);
    await audit(page);
    await visitor.close();
  });
}

for (const javaScriptEnabled of [true, false]) {
  test(`what is refused can be put right where it was typed, ${javaScriptEnabled ? "with" : "without"} a script`, async () => {
    const visitor = await Visitor.open(browser, server, { javaScriptEnabled, viewport: PHONE });
    const number = await server.incident({ title: "refused", dedup_key: `refused-${javaScriptEnabled}` });
    const page = await visitor.go(`/incidents/${number}`);
    // A browser without limits of its own.
    const free = () => page.evaluate(() => {
      for (const field of document.querySelectorAll("[maxlength], [required]")) {
        field.removeAttribute("maxlength");
        field.removeAttribute("required");
      }
    });
    const focused = (field) => field.evaluate((field) => field === document.activeElement);
    const alert = page.getByRole("alert");
    await free();
    const long = `${"long ".repeat(2001)}end`;
    await page.getByLabel("Comment").fill(long);
    await page.getByRole("button", { name: "Comment" }).click();
    await alert.waitFor();
    assert.match(await alert.textContent(), /comment is 10008 characters; the limit is 10000/);
    assert.equal(await page.getByLabel("Comment").inputValue(), long);
    assert.ok(await focused(page.getByLabel("Comment")));
    await audit(page);
    await page.getByLabel("Comment").fill("shorter");
    await page.getByRole("button", { name: "Comment" }).click();
    await page.locator("#timeline").getByText("shorter").waitFor();
    assert.equal(await alert.count(), 0);

    await page.getByText("Edit", { exact: true }).click();
    await free();
    await page.getByLabel("Title").fill(" ");
    await page.getByLabel("Severity").selectOption("SEV0");
    await page.getByLabel("Description").fill("\nof many lines\n");
    await page.getByRole("button", { name: "Save" }).click();
    await alert.waitFor();
    assert.match(await alert.textContent(), /title is empty/);
    assert.ok(await focused(page.getByLabel("Title")));
    await audit(page);
    if (javaScriptEnabled) {
      // It stays while the rest of the page follows.
      await page.getByLabel("Title").blur();
      await page.getByText("Edit", { exact: true }).click();
      await server.incident({ title: "refused", dedup_key: `refused-${javaScriptEnabled}`, status: "investigating" });
      await page.locator("#head .status.investigating").waitFor();
      await page.getByText("Edit", { exact: true }).click();
      assert.ok(await alert.isVisible());
    }
    assert.equal(await page.getByLabel("Description").inputValue(), "\nof many lines\n");
    await page.getByLabel("Title").fill("taken");
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByRole("heading", { level: 1, name: "taken" }).waitFor();
    const { severity, description } = await server.api(number);
    assert.deepEqual({ severity, description }, { severity: "SEV0", description: "\nof many lines\n" });
    await visitor.close();
  });
}

test("what is saved is what was edited, and not what an alert has changed meanwhile", async () => {
  const visitor = await Visitor.open(browser, server, { javaScriptEnabled: false });
  const number = await server.incident({ title: "first", dedup_key: "meanwhile", severity: "SEV3", description: "a\r\nb" });
  const page = await visitor.go(`/incidents/${number}`);
  await page.getByText("Edit", { exact: true }).click();
  await server.incident({ title: "second", dedup_key: "meanwhile", severity: "SEV0", description: "c" });
  await page.getByLabel("Title").fill("by hand");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByRole("heading", { level: 1, name: "by hand" }).waitFor();
  const { title, severity, description } = await server.api(number);
  assert.deepEqual({ title, severity, description }, { title: "by hand", severity: "SEV0", description: "c" });
  await visitor.close();
});

test("what cannot be done is told where it was tried", async () => {
  const visitor = await Visitor.open(browser, server, { javaScriptEnabled: false });
  const number = await server.incident({ title: "raced" });
  const [page, other] = [await visitor.go(`/incidents/${number}`), await visitor.go(`/incidents/${number}`)];
  await other.getByLabel("Status").selectOption("closed");
  await other.getByRole("button", { name: "Change" }).click();
  await other.locator("#head .status.closed").waitFor();
  await page.getByRole("button", { name: "Resolve" }).click();
  await page.getByRole("alert").waitFor();
  assert.match(await page.getByRole("alert").textContent(), /closed/);
  await audit(page);
  await visitor.close();
});

test("repetitions are words with their times in the viewer's zone, and changes are both values", async () => {
  const zone = { timezoneId: "Asia/Kathmandu", locale: "en-GB" };
  const visitor = await Visitor.open(browser, server, { viewport: PHONE, ...zone });
  let number;
  for (let at = 0; at < 44; at += 1) number = await server.incident({ title: "again", dedup_key: "again" });
  await server.incident({ title: "again and worse", dedup_key: "again", severity: "SEV0" });
  const page = await visitor.go(`/incidents/${number}`);
  const lines = (await page.locator(".timeline li").allTextContents()).join("\n").replace(/\s+/g, " ");
  assert.match(lines, /created by local/);
  const { at, last_at } = (await server.api(number)).timeline.find(({ kind }) => kind === "repeated");
  const clock = new Intl.DateTimeFormat(zone.locale, { timeStyle: "short", timeZone: zone.timezoneId });
  const run = clock.formatRange(new Date(at), new Date(last_at)).replace(/\s+/g, " ");
  assert.ok(lines.includes(`repeated 43 times by local, ${run} `), `${run} in ${lines}`);
  assert.match(await page.locator("[data-from]").getAttribute("title"), /GMT\+5:45/);
  assert.match(lines, /title again → again and worse/);
  assert.match(await page.locator("#facts").textContent(), /45×/);
  await audit(page);
  await visitor.close();
  // Over several days, the days are said; without a script all of it is in UTC, and says so.
  const [from, to] = ["2026-11-21T20:30:00.000Z", "2026-11-23T09:10:00.000Z"];
  const other = await Visitor.open(browser, server, zone);
  const long = await other.page();
  await long.route(`**/incidents/${number}`, async (route) => {
    const answer = await route.fetch();
    const body = (await answer.text()).replace(/data-from="[^"]*" data-to="[^"]*"/, `data-from="${from}" data-to="${to}"`);
    await route.fulfill({ response: answer, body });
  });
  await long.goto(`${server.url}/incidents/${number}`);
  assert.match(await long.locator("[data-from]").textContent(), /^22 Nov 2026, 02:15\s?–\s?23 Nov 2026, 14:55$/);
  await other.close();
  const plain = await Visitor.open(browser, server, { javaScriptEnabled: false });
  const text = await (await plain.go(`/incidents/${number}`)).locator(".timeline").textContent();
  assert.match(text.replace(/\s+/g, " "), /repeated 43 times by local, (\d{4}-\d\d-\d\d )?\d\d:\d\d(–\d\d:\d\d)? UTC/);
  await plain.close();
});

test("a long timeline has pages", async () => {
  const visitor = await Visitor.open(browser, server);
  const number = await server.incident({ title: "talk" });
  for (let at = 0; at < 110; at += 1) {
    const answer = await fetch(`${server.url}/api/v1/incidents/${number}/events`, {
      method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ comment: `comment ${at}` }),
    });
    assert.equal(answer.status, 201, await answer.text());
  }
  const page = await visitor.go(`/incidents/${number}`);
  assert.equal(await page.locator(".timeline li").count(), 100);
  await page.getByRole("link", { name: "Older" }).click();
  assert.equal(await page.locator(".timeline li").count(), 11);
  await audit(page);
  await page.getByRole("link", { name: "Newer" }).click();
  assert.equal(await page.locator(".timeline li").count(), 100);
  await visitor.close();
});

test("only an address of the web is a link, and its neighbours are reached", async () => {
  const visitor = await Visitor.open(browser, server);
  const link = "https://grafana.example.org/d/1?a=b&c=d";
  const linked = await server.incident({ title: "linked", source_url: link });
  const next = await server.incident({ title: "mapped", url: "javascript:alert(1)", id: "m" }, ANY_KEY);
  const page = await visitor.go(`/incidents/${linked}`);
  const anchor = page.locator("#head a");
  assert.equal(await anchor.getAttribute("href"), link);
  assert.match(await anchor.getAttribute("rel"), /noopener/);
  assert.equal((await server.post({ title: "t", service_id: "web", source_url: "javascript:alert(1)" })).status, 400);
  await page.getByRole("link", { name: next }).click();
  await page.getByRole("heading", { name: "mapped" }).waitFor();
  assert.equal(await page.locator("#head a").count(), 0);
  assert.equal(await page.locator('a[href^="javascript"]').count(), 0);
  await page.getByRole("link", { name: linked }).click();
  await page.getByRole("heading", { name: "linked" }).waitFor();
  await visitor.close();
});

test("what is not there is told on a page of ours", async () => {
  const visitor = await Visitor.open(browser, server, { viewport: PHONE });
  for (const path of ["/incidents/INC-1999-001", "/nowhere", "/integrations/nobody", "/integrations/local/deliveries/99999"]) {
    const page = await visitor.page();
    const answer = await page.goto(server.url + path);
    assert.equal(answer.status(), 404);
    assert.equal(await page.getByRole("heading", { level: 1 }).textContent(), "Not found");
    await audit(page);
  }
  await visitor.close();
});
