# Sourced by what has to go where pip goes: `pip_setting NAME` prints what pip is configured with, or
# nothing.

# `pip config get` would look into the user's file alone.
pip_settings=$(.venv/bin/python -m pip config list 2>/dev/null || true)

pip_setting() {
  local scope value
  for scope in :env: install global; do
    value=$(sed -n "s/^$scope\.$1='\(.*\)'$/\1/p" <<<"$pip_settings")
    if [ -n "$value" ]; then
      printf '%s' "$value"
      return
    fi
  done
}
