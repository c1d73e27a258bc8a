"""`/v1/projects/{project}`: what concerns the runs of one namespace, which is called a project here.

Laws:
- Its frame is that of `/api/v1`: the same answers, errors, headers, limits and ids of requests.
- A run is found only under the namespace that it lives in.

Source: `docs/signals.md`.
"""
