// Every page in every way that it is looked at; and what there is for those without a mouse.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { ADMIN, CONFIG, DESKTOP, PHONE, Server, TOKENS, Visitor, audit, launch } from "./support.js";

let number;
const SHOTS = process.env.SHOTS;

const browser = await launch();
const server = await Server.start(CONFIG + TOKENS);
const all = [
  ["Checkout fails for every customer: payment provider answers 503", "SEV0", "new", "pay"],
  ["Replication of the database lags by 840 s", "SEV1", "investigating", "lag"],
  ["Certificate of www.example.org expires in 6 days", "SEV2", "new", "cert"],
  ["Disk /var on web3 is 91 % full", "SEV2", "new", "disk"],
  ["Nightly backup took longer than usual", "SEV3", "new", "backup"],
  ["A login from a new country", "SEV4", "resolved", "login"],
];
for (const [title, severity, status, dedup_key] of all) {
  const made = await server.incident({
    title, severity, status, dedup_key, service_id: dedup_key === "lag" ? "SER-00002" : "SER-00001",
    description: "Since 14:02 all calls of /v1/charge fail.\nThe status page of the provider says nothing yet.",
    source_url: "https://grafana.example.org/d/checkout?from=now-1h", metadata: { host: "web3", region: "eu-central-1", value: 0.91 },
  });
  if (dedup_key === "pay") number = made;
}
for (let at = 0; at < 12; at += 1) {
  await server.incident({ title: all[0][0], severity: "SEV0", dedup_key: "pay", metadata: { host: "web3" } });
}
await server.post({ title: "no such service", service_id: "SER-00009" });
for (const silence of [
  { text: "login", minutes: 90, comment: "People are travelling" },
  { services: ["SER-00001"], metadata: { host: "web3" }, starts_at: new Date(Date.now() + 864e5).toISOString(), minutes: 60, comment: "Moving the racks" },
]) {
  const headers = { authorization: `Bearer ${ADMIN}`, "content-type": "application/json" };
  const answer = await fetch(`${server.url}/api/v1/silences`, { method: "POST", headers, body: JSON.stringify(silence) });
  assert.equal(answer.status, 201);
}
after(async () => { await browser.close(); await server.stop(); });

const logIn = async (visitor) => {
  const page = await visitor.go("/login");
  await page.getByLabel("Token").fill(ADMIN);
  await page.getByRole("button", { name: "Log in" }).click();
  await page.locator(".row").first().waitFor();
  return page;
};

const PAGES = {
  list: "/", empty: "/?search=nowhere", incident: null, integrations: "/integrations", integration: "/integrations/local",
  refused: "/integrations/local?refused=1", delivery: "/integrations/local/deliveries/1", services: "/services", silences: "/silences", overview: "/overview?span=24h",
};

for (const [size, viewport] of [["phone", PHONE], ["desktop", DESKTOP]]) {
  for (const colorScheme of ["light", "dark"]) {
    for (const javaScriptEnabled of [true, false]) {
      const how = javaScriptEnabled ? "with a script" : "without a script";
      test(`every page is sound on a ${size}, in the ${colorScheme}, ${how}`, async () => {
        const visitor = await Visitor.open(browser, server, { viewport, colorScheme, javaScriptEnabled });
        const page = await visitor.go("/login");
        await audit(page);
        const shoot = async (name) => {
          const path = `${SHOTS}/${name}-${size}-${colorScheme}.png`;
          if (SHOTS && javaScriptEnabled) await page.screenshot({ path, fullPage: true });
        };
        await shoot("login");
        await logIn(visitor).then((other) => other.close());
        for (const [name, path] of Object.entries(PAGES)) {
          await page.goto(server.url + (path ?? `/incidents/${number}`));
          await audit(page);
          const background = await page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
          const light = Number(/\d+/.exec(background)[0]) > 127;
          assert.equal(light, colorScheme === "light", background);
          await shoot(name);
        }
        await page.goto(`${server.url}/integrations/local`);
        await page.getByRole("button", { name: "Show the key" }).click();
        await page.locator("#curl").waitFor();
        await audit(page);
        await shoot("key");
        await visitor.close();
      });
    }
  }
}

test("the first page with all that it loads is small", async () => {
  const visitor = await Visitor.open(browser, server);
  const logged = await logIn(visitor);
  await logged.close();
  const page = await visitor.page();
  const bodies = [];
  const weigh = (answer) => {
    if (!answer.url().endsWith("/stream")) bodies.push(answer.body().then((body) => [answer.url(), body.length]));
  };
  page.on("response", weigh);
  await page.goto(server.url, { waitUntil: "load" });
  page.off("response", weigh);
  const sizes = await Promise.all(bodies);
  assert.ok(sizes.length >= 3, JSON.stringify(sizes));
  const sum = sizes.reduce((all, [, size]) => all + size, 0);
  assert.ok(sum < 60 * 1024, JSON.stringify(sizes));
  await visitor.close();
});

test("a keyboard reaches everything in order, and shows where it is", async () => {
  const visitor = await Visitor.open(browser, server, { viewport: PHONE, reducedMotion: "reduce" });
  const page = await logIn(visitor);
  await page.goto(server.url);
  const stops = [];
  for (let at = 0; at < 60; at += 1) {
    await page.keyboard.press("Tab");
    const stop = await page.evaluate(() => {
      const one = document.activeElement;
      if (one === document.body) return null;
      const box = one.getBoundingClientRect();
      const style = getComputedStyle(one);
      return {
        text: (one.textContent || one.name || one.type).trim(),
        kind: one.className || one.name || one.localName,
        outlined: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
        inside: box.right > 0 && box.left < innerWidth && box.bottom > 0 && box.top < innerHeight && box.width > 0,
        // Nothing that sticks to the edge of the window hides it whole.
        seen: [[box.left + 2, box.top + 2], [box.right - 2, box.top + box.height / 2]].some(([x, y]) => {
          const top = document.elementFromPoint(x, y);
          return top && (one.contains(top) || top.contains(one));
        }),
      };
    });
    if (!stop) break;
    assert.ok(stop.outlined && stop.inside && stop.seen, JSON.stringify(stop));
    stops.push(stop);
  }
  const place = (what) => stops.findIndex(what);
  const order = [
    place(({ text }) => text === "Skip to the content"),
    place(({ text }) => text === "Firebell"),
    place(({ kind }) => kind === "search"),
    place(({ kind }) => kind === "number"),
    place(({ kind }) => kind === "title"),
    place(({ text }) => text === "Acknowledge chosen"),
    place(({ text }) => text === "Resolve chosen"),
  ];
  assert.equal(order[0], 0);
  assert.deepEqual(order, [...order].sort((a, b) => a - b), JSON.stringify(stops));
  assert.equal(stops.filter(({ kind }) => kind === "title").length, 5);
  await visitor.close();
});

test("the skip link leads to the content, and nothing moves for who wants no motion", async () => {
  const visitor = await Visitor.open(browser, server, { reducedMotion: "reduce" });
  const page = await logIn(visitor);
  await page.goto(`${server.url}/incidents/${number}`);
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  assert.ok(await page.evaluate(() => document.activeElement.id === "main"));
  await page.keyboard.press("Tab");
  assert.ok(await page.evaluate(() => document.activeElement.closest("main") !== null));
  await page.goto(server.url);
  const moving = await page.evaluate(() => [...document.querySelectorAll("*")].filter((one) => {
    const style = getComputedStyle(one);
    return parseFloat(style.transitionDuration) > 0 || style.animationName !== "none";
  }).length);
  assert.equal(moving, 0);
  await visitor.close();
});

test("with the keyboard alone an incident is acknowledged and logged out of", async () => {
  const visitor = await Visitor.open(browser, server, { javaScriptEnabled: false });
  const page = await logIn(visitor);
  const mine = await server.incident({ title: "by hand" });
  await page.goto(`${server.url}/incidents/${mine}`);
  await page.getByRole("button", { name: "Acknowledge" }).focus();
  await page.keyboard.press("Enter");
  await page.locator("#head .status.investigating").waitFor();
  await page.getByRole("button", { name: "Log out" }).focus();
  await page.keyboard.press("Space");
  await page.getByLabel("Token").waitFor();
  await visitor.close();
});
