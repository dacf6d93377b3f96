import postgres from 'postgres';

const connections = 16;
const measureMs = 2_000;

/** Two-statement transactions a second on the server at `url`, through the driver alone: the ceiling of everything that is stored. */
export async function rawTransactionsPerSecond(url: string): Promise<number> {
  const sql = postgres(url, { max: connections, onnotice: () => {} });
  try {
    await sql`create table if not exists bench_raw (id bigserial primary key, n int not null)`;
    const startedAt = performance.now();
    let done = 0;
    const worker = async () => {
      while (performance.now() - startedAt < measureMs) {
        await sql.begin(async (tx) => {
          const [row] = await tx`insert into bench_raw (n) values (1) returning id`;
          await tx`update bench_raw set n = 2 where id = ${row!.id}`;
        });
        done += 1;
      }
    };
    await Promise.all(Array.from({ length: connections }, worker));
    const rate = done / ((performance.now() - startedAt) / 1_000);
    await sql`drop table bench_raw`;
    return rate;
  } finally {
    await sql.end({ timeout: 5 });
  }
}
