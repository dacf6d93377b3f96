// node .ci/probe.js postgres|rabbitmq <url>: exit status 0 when the service takes the login and answers.
import postgres from 'postgres';
import { Connection } from 'rabbitmq-client';

const answerTimeoutMs = 3_000;

const probes = {
  async postgres(url) {
    const sql = postgres(url, { max: 1, connect_timeout: answerTimeoutMs / 1_000 });
    await sql`select 1`;
  },
  async rabbitmq(url) {
    const connection = new Connection({ url, connectionTimeout: answerTimeoutMs });
    await new Promise((resolve, reject) => {
      connection.once('connection', resolve);
      // The client would try again for ever; the caller does that.
      connection.once('error', reject);
    });
  },
};

const [, , service, url] = process.argv;
try {
  await probes[service](url);
  process.exit(0);
} catch (error) {
  console.error(`${service} at ${url}: ${error.message || error.code}`);
  process.exit(1);
}
