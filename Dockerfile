# A server of catalogues: docs/deploy.md tells how it is run. Nothing in the image is written to, and nobody is root.
FROM python:3.13-slim AS built
WORKDIR /source
COPY . .
RUN python -m venv /opt/twinset \
    && /opt/twinset/bin/pip install --no-cache-dir --constraint constraints.txt '.[serve]'

FROM python:3.13-slim
RUN useradd --system --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin twinset \
    && install --directory --owner twinset --group twinset --mode 700 /events
COPY --from=built /opt/twinset /opt/twinset
ENV PATH=/opt/twinset/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    TWINSET_HOST=0.0.0.0 \
    TWINSET_PORT=8000 \
    TWINSET_CATALOGUE=/catalogue
USER 10001:10001
WORKDIR /tmp
EXPOSE 8000
STOPSIGNAL SIGTERM
# Any answer but a fault says that the process lives; the name is one of those that the server is reached by.
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s CMD ["python", "-c", "\
import http.client, os, sys; \
server = http.client.HTTPConnection('127.0.0.1', int(os.environ['TWINSET_PORT']), timeout=2); \
name = os.environ.get('TWINSET_ALLOW_HOST', 'localhost').split(',')[0]; \
server.request('GET', '/healthz', headers={'Host': name}); \
sys.exit(server.getresponse().status >= 500)"]
ENTRYPOINT ["twinset"]
CMD ["serve"]
