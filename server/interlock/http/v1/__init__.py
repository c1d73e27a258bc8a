"""`/api/v1`: state machines over HTTP, with the paths, bodies and codes of a REST API.

Laws:
- Every answer is `{"data": …}` or `{"error": {code, message, details, request_id}}`, whatever happened, and has the
  header `X-Request-Id`.
- It is a door like the socket and the native routes: the engine carries everything out, `may()` decides, and no rule of
  either is repeated here.
- To a caller who may not see something, it doesn't exist: 404 of its kind.

Source: `docs/api-v1.md`.
"""
