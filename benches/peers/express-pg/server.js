// A webhook receiver as it is usually written: verify, then event, stock and outbox in one transaction, then 200.
// Arguments: port, secret, number of SKUs, connection string. Prints "ready" when it listens.
const crypto = require("node:crypto");
const express = require("express");
const { Pool } = require("pg");

const [port, secret, skus, url] = process.argv.slice(2);
const pool = new Pool({ connectionString: url, max: 20 });
const app = express();

function genuine(body, header) {
  const wanted = crypto.createHmac("sha256", secret).update(body).digest();
  const found = Buffer.from(header || "", "base64");
  return found.length === wanted.length && crypto.timingSafeEqual(found, wanted);
}

async function book(order) {
  const client = await pool.connect();
  try {
    await client.query("BEGIN");
    const fresh = await client.query({
      name: "event",
      text: "INSERT INTO onhand_bench.event (id, body) VALUES ($1, $2) ON CONFLICT DO NOTHING",
      values: [order.id, order],
    });
    if (fresh.rowCount === 1) {
      for (const line of order.line_items) {
        await client.query({
          name: "stock",
          text: "UPDATE onhand_bench.stock SET units = units - $2, version = version + 1 WHERE sku = $1",
          values: [line.sku, line.quantity],
        });
        await client.query({
          name: "outbox",
          text: "INSERT INTO onhand_bench.outbox (sku, event) VALUES ($1, $2)",
          values: [line.sku, order.id],
        });
      }
    }
    await client.query("COMMIT");
  } catch (error) {
    await client.query("ROLLBACK");
    throw error;
  } finally {
    client.release();
  }
}

app.post("/hooks/in", express.raw({ type: () => true, limit: "1mb" }), async (req, res) => {
  if (!genuine(req.body, req.get("x-wc-webhook-signature"))) return res.sendStatus(401);
  try {
    await book(JSON.parse(req.body));
    res.sendStatus(200);
  } catch {
    res.sendStatus(503);
  }
});

async function main() {
  await pool.query(`DROP SCHEMA IF EXISTS onhand_bench CASCADE; CREATE SCHEMA onhand_bench;
    CREATE TABLE onhand_bench.event (id bigint PRIMARY KEY, body jsonb NOT NULL, at timestamptz NOT NULL DEFAULT now());
    CREATE TABLE onhand_bench.stock (sku text PRIMARY KEY, units bigint NOT NULL, version bigint NOT NULL DEFAULT 0);
    CREATE TABLE onhand_bench.outbox (id bigserial PRIMARY KEY, sku text NOT NULL, event bigint NOT NULL)`);
  await pool.query(
    "INSERT INTO onhand_bench.stock (sku, units) SELECT 'BENCH-' || lpad(n::text, 6, '0'), 1000000 FROM generate_series(0, $1::int - 1) n",
    [skus],
  );
  app.listen(Number(port), "127.0.0.1", () => console.log("ready"));
}
main();
