import { z } from 'zod';
import { health } from '../schemas.ts';
import { type App, type Parts, problems } from './parts.ts';

export function serviceRoutes(app: App, { database }: Parts): void {
  app.get(
    '/health',
    {
      config: { untraced: true },
      schema: {
        summary: 'Whether the kiosk can work: 503 while its database is away',
        response: { 200: health, ...problems },
      },
    },
    async () => {
      await database.ping();
      return { status: 'ok' as const };
    },
  );

  app.get(
    '/openapi.json',
    {
      schema: {
        summary: 'This document',
        response: { 200: z.record(z.string(), z.unknown()).describe('OpenAPI 3.1'), ...problems },
      },
    },
    async () => app.swagger() as Record<string, unknown>,
  );
}
