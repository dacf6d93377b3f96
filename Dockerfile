# One image for every role and for the bots: the program runs TypeScript as it is, so there is nothing to build but node_modules.
# The Node is the one that the lockfile has for development; a test compares them.
FROM node:26.10.0-trixie-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
# Without the optional dependencies: they are the PostgreSQL binaries of the embedded mode. The one install script left only prints advice.
RUN npm ci --omit=dev --omit=optional --ignore-scripts --no-audit --no-fund

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
