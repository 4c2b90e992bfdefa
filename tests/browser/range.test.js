// From when to when: the fields of the list of incidents, with and without a script.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { PHONE, Server, Visitor, audit, launch, titles } from "./support.js";

const browser = await launch();
const server = await Server.start();
await server.incident({ title: "recorded now" });
after(async () => { await browser.close(); await server.stop(); });

const ZONE = { timezoneId: "Asia/Kathmandu", locale: "en-GB" };
const OFFSET_MS = (5 * 60 + 45) * 60000;
const NOW_MS = Math.floor(Date.now() / 60000) * 60000;
const minute = (from_now_ms, offset_ms) => new Date(NOW_MS + from_now_ms + offset_ms);
const HOUR_MS = 3600000;

for (const javaScriptEnabled of [true, false]) {
  const offset = javaScriptEnabled ? OFFSET_MS : 0;
  // What is typed into a field, and what has to be in the URL.
  const typed = (from_now_ms) => minute(from_now_ms, offset).toISOString().slice(0, 16);
  const meant = (from_now_ms) => minute(from_now_ms, 0).toISOString().replace(".000", "");

  test(`a range is typed in ${javaScriptEnabled ? "the viewer's zone" : "UTC"}, and is the API's in the URL`, async () => {
    const visitor = await Visitor.open(browser, server, { javaScriptEnabled, ...ZONE });
    const page = await visitor.go();
    const [after, before] = [page.getByLabel("Created after"), page.getByLabel("Created before")];
    assert.equal(await page.getByText("(UTC)").count(), javaScriptEnabled ? 0 : 2);
    const search = async () => {
      await Promise.all([page.waitForEvent("framenavigated"), page.getByRole("button", { name: "Show" }).click()]);
      await page.locator(".chips a").first().waitFor();
      return new URL(page.url()).searchParams;
    };
    const [from, to] = [-HOUR_MS, 2 * HOUR_MS];
    const [typedFrom, typedTo, meantFrom, meantTo] = [typed(from), typed(to), meant(from), meant(to)];
    await after.fill(typedFrom);
    await before.fill(typedTo);
    await page.getByLabel(/^Created\s*any time/).selectOption("last 24 hours");
    const asked = await search();
    assert.deepEqual([asked.get("created_after"), asked.get("created_before"), asked.get("since")], [meantFrom, meantTo, "24h"]);
    if (javaScriptEnabled) assert.ok([...asked.values()].every(Boolean), page.url());
    const api = await fetch(`${server.url}/api/v1/incidents?created_after=${meantFrom}&created_before=${meantTo}`);
    assert.equal((await api.json()).data.total, 1);
    assert.deepEqual(await titles(page), ["recorded now"]);
    assert.deepEqual([await after.inputValue(), await before.inputValue()], [typedFrom, typedTo]);
    const chips = page.locator(".chips a");
    assert.equal(await chips.count(), 2);
    const chip = (await chips.first().textContent()).trim();
    const time = new Intl.DateTimeFormat(ZONE.locale, { dateStyle: "medium", timeStyle: "medium", timeZone: ZONE.timezoneId });
    const words = javaScriptEnabled ? time.format(new Date(meantFrom)) : `${meantFrom.slice(0, 10)} ${meantFrom.slice(11, 19)} UTC`;
    assert.ok(chip.startsWith(`created after: ${words}`), `${words} in ${chip}`);
    await audit(page);

    // Sent again without a touch it is the same.
    assert.equal((await search()).toString(), asked.toString());
    await chips.filter({ hasText: "created after" }).click();
    await page.waitForURL((url) => !url.searchParams.has("created_after"));
    assert.deepEqual([await after.inputValue(), await before.inputValue()], ["", typedTo]);
    await before.fill(typed(-2 * HOUR_MS));
    await search();
    assert.deepEqual(await titles(page), []);
    await visitor.close();
  });

  test(`a time to the millisecond stays what it is, ${javaScriptEnabled ? "with" : "without"} a script`, async () => {
    const visitor = await Visitor.open(browser, server, { javaScriptEnabled, viewport: PHONE, ...ZONE });
    // As the overview links to it.
    const page = await visitor.go("/?status=all&created_before=2026-11-23T08:59:59.999Z");
    await page.getByLabel("Search").fill("now");
    await page.getByRole("button", { name: "Show" }).click();
    await page.waitForURL(/search=now/);
    assert.equal(new URL(page.url()).searchParams.get("created_before"), "2026-11-23T08:59:59.999Z");
    const shown = await page.getByLabel("Created before").inputValue();
    assert.equal(shown, javaScriptEnabled ? "2026-11-23T14:44:59.999" : "2026-11-23T08:59:59.999");
    await visitor.close();
  });

  test(`on a phone a range is folded up until it is in force, ${javaScriptEnabled ? "with" : "without"} a script`, async () => {
    const visitor = await Visitor.open(browser, server, { javaScriptEnabled, viewport: PHONE, ...ZONE });
    const page = await visitor.go();
    const after = page.getByLabel("Created after");
    assert.ok(await after.isHidden());
    await page.getByText("Filters", { exact: true }).click();
    await after.fill(typed(HOUR_MS));
    await audit(page);
    await page.getByRole("button", { name: "Show" }).click();
    await page.waitForURL(/created_after=/);
    await page.getByText("No incident is like that.").waitFor();
    assert.ok(await after.isVisible());
    await audit(page);
    // What cannot be is told, and is there to be put right.
    const wrong = typed(-HOUR_MS);
    await page.getByLabel("Created before").fill(wrong);
    await page.getByRole("button", { name: "Show" }).click();
    await page.getByRole("alert").waitFor();
    assert.match(await page.getByRole("alert").textContent(), /created_before must not be earlier than created_after/);
    assert.equal(await page.getByLabel("Created before").inputValue(), wrong);
    await page.goto(`${server.url}/?created_after=yesterday`);
    assert.match(await page.getByRole("alert").textContent(), /created_after must be a time/);
    assert.equal(await after.getAttribute("aria-invalid"), "true");
    await audit(page);
    await visitor.close();
  });
}
