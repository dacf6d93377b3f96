import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestKiosk, type TestKiosk } from './harness.ts';

let kiosk: TestKiosk;
// biome-ignore lint/suspicious/noExplicitAny: a document is read as what it is.
let document: any;
beforeAll(async () => {
  kiosk = await startTestKiosk();
  document = (await kiosk.get('/openapi.json')).body;
});
afterAll(() => kiosk[Symbol.asyncDispose]());

/** Every value under `key`, however deep. */
function* everywhere(key: string, value: unknown): Generator<unknown> {
  if (typeof value !== 'object' || value === null) return;
  for (const [name, inner] of Object.entries(value)) {
    if (name === key) yield inner;
    yield* everywhere(key, inner);
  }
}

const resolve = (ref: string): unknown =>
  ref
    .slice(2)
    .split('/')
    .reduce((at, name) => at?.[name], document);

// biome-ignore lint/suspicious/noExplicitAny: as above.
const operations = (): Array<[string, string, any]> =>
  Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods as object).map(
      ([method, operation]) => [path, method, operation] as [string, string, object],
    ),
  );

describe('the OpenAPI document', () => {
  test('is OpenAPI 3.1 with every route', () => {
    expect(document.openapi).toMatch(/^3\.1\./);
    expect(document.info).toMatchObject({ title: expect.any(String), version: expect.any(String) });
    expect(operations().map(([path, method]) => `${method} ${path}`)).toEqual([
      'get /v1/stores',
      'get /v1/products',
      'post /v1/orders',
      'get /v1/orders/{orderId}',
      'post /v1/orders/{orderId}/payments',
      'post /v1/orders/{orderId}/cancellation',
      'get /v1/orders/{orderId}/events',
      'get /health',
      'get /openapi.json',
    ]);
  });

  test('has no reference that leads nowhere', () => {
    const refs = [...everywhere('$ref', document)] as string[];

    expect(refs.length).toBeGreaterThan(0);
    for (const ref of refs) expect(resolve(ref), ref).toBeTypeOf('object');
  });

  test('declares the parameters of every path, and what comes back', () => {
    for (const [path, method, { parameters = [], responses, summary }] of operations()) {
      const declared = parameters.filter((p: { in: string }) => p.in === 'path').map((p: { name: string }) => p.name);
      expect(declared, path).toEqual([...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name));
      expect(summary, path).toBeTypeOf('string');
      expect(Object.keys(responses), `${method} ${path}`).toEqual(expect.arrayContaining(['4XX', '5XX']));
      for (const response of Object.values<{ description?: string }>(responses))
        expect(response.description).toBeTypeOf('string');
      expect(responses['4XX'].content).toHaveProperty(['application/problem+json']);
    }
  });

  test('says that a command needs an idempotency key', () => {
    const { parameters } = document.paths['/v1/orders'].post;

    expect(parameters).toContainEqual(
      expect.objectContaining({ in: 'header', name: 'idempotency-key', required: true }),
    );
  });

  test('names the schemas that programs are written against', () => {
    expect(Object.keys(document.components.schemas)).toEqual(
      expect.arrayContaining(['Order', 'Invoice', 'Money', 'Store', 'Product', 'Problem']),
    );
  });
});
