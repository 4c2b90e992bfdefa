// Silences: from an incident's page to the form, refused, made, and ended.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { CONFIG, DESKTOP, PHONE, Server, Visitor, audit, launch } from "./support.js";

const browser = await launch();
const server = await Server.start(CONFIG);
after(async () => { await browser.close(); await server.stop(); });

for (const [size, viewport, javaScriptEnabled] of [["phone", PHONE, true], ["desktop", DESKTOP, true], ["desktop", DESKTOP, false]]) {
  test(`a silence is made and ended on a ${size} ${javaScriptEnabled ? "with" : "without"} a script`, async () => {
    const number = await server.incident({ title: "Disk /var is full", dedup_key: `disk-${size}-${javaScriptEnabled}` });
    const visitor = await Visitor.open(browser, server, { viewport, javaScriptEnabled });
    const page = await visitor.go(`/incidents/${number}`);
    await page.getByRole("link", { name: "Silence", exact: true }).click();
    assert.notEqual(await page.getByLabel("Service").inputValue(), "", "it is prefilled");
    await page.getByLabel("Words in title or description").fill("!");
    await page.getByLabel("Why").fill("Moving the racks");
    await page.getByLabel("How long").selectOption("2 hours");
    await page.getByRole("button", { name: "Silence", exact: true }).click();
    await page.getByRole("alert").getByText("must have a word").waitFor();
    assert.equal(await page.getByLabel("Why").inputValue(), "Moving the racks");
    assert.equal(await page.getByLabel("How long").inputValue(), "120");
    await audit(page);
    await page.getByLabel("Words in title or description").fill("disk");
    await page.getByRole("button", { name: "Silence", exact: true }).click();
    const end = page.getByRole("button", { name: /^End silence/ });
    await end.waitFor();
    await audit(page);
    await page.goto(`${server.url}/incidents/${number}`);
    await page.getByText(/silenced until .* UTC by local: Moving the racks/).waitFor();
    await audit(page);
    await page.goto(`${server.url}/`);
    await page.locator(`.row[data-number="${number}"]`).getByText("silenced until").waitFor();
    await page.goto(`${server.url}/silences`);
    await end.click();
    await page.getByText("Nothing is silenced.").waitFor();
    assert.equal(await end.count(), 0);
    await audit(page);
    await visitor.close();
  });
}
