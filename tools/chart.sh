#!/usr/bin/env bash
# Lints, renders and packages the chart of the solution for each example of its values: `make chart`.
# What it renders and packages is in dist/charts.
set -euo pipefail
cd "$(dirname "$0")/.."

tools=$(tools/kubernetes.sh helm)
chart=$(dirname charts/*/gateway)
name=$(basename "$chart")
made=dist/charts
export HELM_CACHE_HOME=$made/helm HELM_CONFIG_HOME=$made/helm HELM_DATA_HOME=$made/helm

rm -rf "$made"
mkdir -p "$made/helm"
"$tools/helm-4" dependency build "$chart" >/dev/null
for values in "$chart"/ci/*.yaml; do
  example=$(basename "$values" .yaml)
  for helm in helm-3 helm-4; do
    "$tools/$helm" lint --strict --quiet "$chart" --values "$values"
  done
  "$tools/helm-4" template "$name" "$chart" --namespace "em-$name" --values "$values" >"$made/$example.yaml"
  echo "$made/$example.yaml: $(grep -c '^kind:' "$made/$example.yaml") manifests"
done
"$tools/helm-4" package "$chart" --destination "$made" >/dev/null
rm -rf "$made/helm"
echo "$made/$(basename "$made"/*.tgz)"
