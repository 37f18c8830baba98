# The hub, with its own broker. docs/install.md says how it is run, and what of this was tried.
FROM node:24-slim AS compiled
WORKDIR /roost
COPY . .
RUN npm ci --ignore-scripts && npm run pack

# what it needs, as the lock file says
FROM node:24-slim AS needed
WORKDIR /roost
COPY package.json package-lock.json .npmrc ./
COPY shared/package.json shared/
COPY hub/package.json hub/
COPY agent/package.json agent/
RUN npm ci --workspace hub --omit dev --ignore-scripts && rm -r node_modules/@roost

FROM node:24-slim
ENV NODE_ENV=production ROOST_DATA_DIR=/data ROOST_HTTP_HOST=0.0.0.0 ROOST_MQTT_HOST=0.0.0.0
WORKDIR /roost
COPY --from=needed /roost/node_modules node_modules
COPY --from=compiled /roost/packages/compiled/shared node_modules/@roost/shared
COPY --from=compiled /roost/packages/compiled/hub node_modules/@roost/hub
RUN ln -s /roost/node_modules/@roost/hub/cli/main.js /usr/local/bin/roost \
  && chmod +x node_modules/@roost/hub/cli/main.js \
  && install -d -o node -g node -m 700 /data \
  && install -d -o node -g node -m 750 /broker
# node, by its number
USER 1000
VOLUME /data
EXPOSE 7070 1883 8083
HEALTHCHECK --start-period=30s CMD ["node", "-e", "fetch('http://127.0.0.1:7070/healthz').then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
CMD ["roost", "hub"]
