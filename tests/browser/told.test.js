// What people were told of an incident, are owed, and will not be told.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, test } from "node:test";
import { CONFIG, DESKTOP, PHONE, Server, Visitor, audit, launch, until } from "./support.js";

const SHOTS = process.env.SHOTS;
const receiver = createServer((request, answer) => {
  request.resume();
  if (request.url === "/gone") answer.writeHead(410).end("<b>no such hook</b>");
  else answer.writeHead(200).end();
});
await new Promise((done) => receiver.listen(0, "127.0.0.1", done));
const at = `http://127.0.0.1:${receiver.address().port}`;
// Nothing listens there: a port that only the system itself gives away.
const channels = { phone: `${at}/taken`, mail: `${at}/taken`, chat: "http://127.0.0.1:1/", pager: `${at}/gone` };
const config = Object.entries(channels)
  .map(([name, url]) => `[[channels]]\nname = "${name}"\nkind = "webhook"\nwith = { url = "${url}" }\n`)
  .join("");
const route = "[[routes]]\nchannels = [\"phone\", \"mail\", \"chat\", \"pager\"]\ndigest = \"10m\"\n";

const browser = await launch();
const server = await Server.start(CONFIG + config + route);
after(async () => { await browser.close(); await server.stop(); receiver.close(); });

const number = await server.incident({ title: "told of", dedup_key: "t", severity: "SEV3" });
const states = async () => {
  const answer = await fetch(`${server.url}/api/v1/notifications?incident=${number}`);
  return (await answer.json()).data.items.map(({ state, attempts }) => `${state} ${attempts > 0}`).sort();
};
await until(states, (all) => all.join() === "given_up true,owed true,told true,told true", "all were tried");
await server.incident({ title: "told of", dedup_key: "t", status: "resolved" });

for (const [size, viewport] of [["phone", PHONE], ["desktop", DESKTOP]]) {
  for (const colorScheme of ["light", "dark"]) {
    for (const javaScriptEnabled of [true, false]) {
      test(`who was told what is read on a ${size}, in the ${colorScheme}, ${javaScriptEnabled ? "with" : "without"} a script`, async () => {
        const visitor = await Visitor.open(browser, server, { viewport, colorScheme, javaScriptEnabled, locale: "en-GB", timezoneId: "UTC" });
        const page = await visitor.go(`/incidents/${number}`);
        const line = async (kind) => {
          const lines = await page.locator(`.timeline .${kind} p`).allTextContents();
          return lines.map((text) => text.replace(/\s+/g, " ").trim());
        };
        assert.deepEqual(await line("told"), ["phone and mail were told that it was created · 200 OK"]);
        assert.deepEqual(await line("given-up"), ["pager was not told that it was created · 410 Gone: <b>no such hook</b>"]);
        const owed = (await line("owed")).sort();
        assert.equal(owed.length, 2, owed.join());
        assert.match(owed[0], /^chat is yet to be told that it was created · .*refused.*, again at .*\d\d:\d\d/);
        assert.match(owed[1], /^phone, mail, chat and pager are yet to be told that it was resolved · held for a digest, until .*\d\d:\d\d/);
        await audit(page);
        if (SHOTS && javaScriptEnabled) await page.screenshot({ path: `${SHOTS}/told-${size}-${colorScheme}.png`, fullPage: true });
        await visitor.close();
      });
    }
  }
}
