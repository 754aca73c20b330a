//! The table of commands: names, aliases, flags, one line about each.

use crate::error::{Error, Outcome};
use std::fmt::Write as _;

/// A command or a group of them.
#[derive(Debug)]
pub struct Command {
    /// Its words after `kubectl`.
    pub path: &'static str,
    /// Other names for the last word.
    pub aliases: &'static [&'static str],
    /// Its flags; see [`crate::flags`].
    pub flags: &'static str,
    /// How it is called, after its words.
    pub usage: &'static str,
    /// What it does.
    pub about: &'static str,
}

const fn command(
    path: &'static str,
    aliases: &'static [&'static str],
    usage: &'static str,
    about: &'static str,
    flags: &'static str,
) -> Command {
    Command {
        path,
        aliases,
        flags,
        usage,
        about,
    }
}

/// Flags of commands that print the object they made.
macro_rules! printing {
    ($($rest:literal)?) => {
        concat!("o/output:s template:s allow-missing-template-keys:b=true show-managed-fields:b ", $($rest)?)
    };
}

/// Flags of `create TYPE`.
macro_rules! creating {
    ($($rest:literal)?) => {
        concat!(printing!(), "dry-run:s=none?unchanged save-config:b validate:s=strict?strict field-manager:s=kubectl-create ", $($rest)?)
    };
}

/// Flags that name files.
macro_rules! files {
    ($($rest:literal)?) => {
        concat!("f/filename:l k/kustomize:s R/recursive:b ", $($rest)?)
    };
}

/// Every command. A group's entry stands before its members'.
pub static COMMANDS: &[Command] = &[
    command(
        "annotate",
        &[],
        "[--overwrite] (-f FILENAME | TYPE NAME) KEY_1=VAL_1 ... KEY_N=VAL_N",
        "Update the annotations on a resource",
        concat!(
            printing!(),
            files!(),
            "all:b A/all-namespaces:b dry-run:s=none?unchanged field-manager:s=kubectl-annotate field-selector:s list:b local:b overwrite:b resource-version:s l/selector:s"
        ),
    ),
    command(
        "api-resources",
        &[],
        "[flags]",
        "Print the supported API resources on the server",
        "api-group:s namespaced:b=true no-headers:b o/output:s verbs:l cached:b sort-by:s categories:l",
    ),
    command(
        "api-versions",
        &[],
        "",
        "Print the supported API versions on the server, in the form of \"group/version\"",
        "",
    ),
    command(
        "apply",
        &[],
        "(-f FILENAME | -k DIRECTORY)",
        "Apply a configuration to a resource by file name or stdin",
        concat!(
            printing!(),
            files!(),
            "all:b cascade:s=background?background dry-run:s=none?unchanged field-manager:s force:b force-conflicts:b grace-period:i=-1 openapi-patch:b=true overwrite:b=true prune:b prune-allowlist:a l/selector:s server-side:b subresource:s timeout:d=0s validate:s=strict?strict wait:b"
        ),
    ),
    command(
        "apply view-last-applied",
        &[],
        "(TYPE [NAME | -l label] | TYPE/NAME | -f FILENAME)",
        "View the latest last-applied-configuration annotations of a resource/object",
        concat!(files!(), "all:b o/output:s=yaml l/selector:s"),
    ),
    command("auth", &[], "", "Inspect authorization", ""),
    command(
        "auth can-i",
        &[],
        "VERB [TYPE | TYPE/NAME | NONRESOURCEURL]",
        "Check whether an action is allowed",
        "A/all-namespaces:b list:b no-headers:b q/quiet:b subresource:s",
    ),
    command(
        "auth whoami",
        &[],
        "",
        "Experimental: Check self subject attributes",
        printing!(),
    ),
    command(
        "autoscale",
        &[],
        "(-f FILENAME | TYPE NAME | TYPE/NAME) [--min=MINPODS] --max=MAXPODS [--cpu-percent=CPU]",
        "Auto-scale a deployment, replica set, stateful set, or replication controller",
        concat!(
            printing!(),
            files!(),
            "min:i=-1 max:i=-1 cpu-percent:i=-1 name:s dry-run:s=none?unchanged save-config:b field-manager:s=kubectl-autoscale"
        ),
    ),
    command("certificate", &[], "", "Modify certificate resources", ""),
    command(
        "certificate approve",
        &[],
        "(-f FILENAME | NAME)",
        "Approve a certificate signing request",
        concat!(printing!(), files!(), "force:b"),
    ),
    command(
        "certificate deny",
        &[],
        "(-f FILENAME | NAME)",
        "Deny a certificate signing request",
        concat!(printing!(), files!(), "force:b"),
    ),
    command(
        "cluster-info",
        &[],
        "[flags]",
        "Display cluster information",
        "",
    ),
    command("config", &[], "", "Modify kubeconfig files", ""),
    command(
        "config current-context",
        &[],
        "",
        "Display the current-context",
        "",
    ),
    command(
        "config delete-cluster",
        &[],
        "NAME",
        "Delete the specified cluster from the kubeconfig",
        "",
    ),
    command(
        "config delete-context",
        &[],
        "NAME",
        "Delete the specified context from the kubeconfig",
        "",
    ),
    command(
        "config delete-user",
        &[],
        "NAME",
        "Delete the specified user from the kubeconfig",
        "",
    ),
    command(
        "config get-clusters",
        &[],
        "",
        "Display clusters defined in the kubeconfig",
        "",
    ),
    command(
        "config get-contexts",
        &[],
        "[(-o|--output=)name)]",
        "Describe one or many contexts",
        "no-headers:b o/output:s",
    ),
    command(
        "config get-users",
        &[],
        "",
        "Display users defined in the kubeconfig",
        "",
    ),
    command(
        "config rename-context",
        &[],
        "CONTEXT_NAME NEW_NAME",
        "Rename a context from the kubeconfig file",
        "",
    ),
    command(
        "config set",
        &[],
        "PROPERTY_NAME PROPERTY_VALUE",
        "Set an individual value in a kubeconfig file",
        "set-raw-bytes:b",
    ),
    command(
        "config set-cluster",
        &[],
        "NAME [--server=server] [--certificate-authority=path/to/certificate/authority]",
        "Set a cluster entry in kubeconfig",
        "embed-certs:b proxy-url:s",
    ),
    command(
        "config set-context",
        &[],
        "[NAME | --current] [--cluster=cluster_nickname] [--user=user_nickname] [--namespace=namespace]",
        "Set a context entry in kubeconfig",
        "current:b",
    ),
    command(
        "config set-credentials",
        &[],
        "NAME [--client-certificate=path/to/certfile] [--client-key=path/to/keyfile] [--token=bearer_token]",
        "Set a user entry in kubeconfig",
        "embed-certs:b",
    ),
    command(
        "config unset",
        &[],
        "PROPERTY_NAME",
        "Unset an individual value in a kubeconfig file",
        "",
    ),
    command(
        "config use-context",
        &["use"],
        "CONTEXT_NAME",
        "Set the current-context in a kubeconfig file",
        "",
    ),
    command(
        "config view",
        &[],
        "[flags]",
        "Display merged kubeconfig settings or a specified kubeconfig file",
        concat!(printing!(), "flatten:b merge:b=true minify:b raw:b"),
    ),
    command(
        "cordon",
        &[],
        "NODE",
        "Mark node as unschedulable",
        "dry-run:s=none?unchanged l/selector:s",
    ),
    command(
        "create",
        &[],
        "-f FILENAME",
        "Create a resource from a file or from stdin",
        concat!(
            creating!(),
            files!(),
            "edit:b raw:s l/selector:s windows-line-endings:b"
        ),
    ),
    command(
        "create clusterrole",
        &[],
        "NAME --verb=verb --resource=resource.group [--resource-name=resourcename]",
        "Create a cluster role",
        creating!("verb:l resource:l resource-name:a non-resource-url:l aggregation-rule:l"),
    ),
    command(
        "create clusterrolebinding",
        &[],
        "NAME --clusterrole=NAME [--user=username] [--group=groupname] [--serviceaccount=namespace:serviceaccountname]",
        "Create a cluster role binding for a particular cluster role",
        creating!("clusterrole:s user:a group:a serviceaccount:a"),
    ),
    command(
        "create configmap",
        &["cm"],
        "NAME [--from-file=[key=]source] [--from-literal=key1=value1]",
        "Create a config map from a local file, directory or literal value",
        creating!("from-file:l from-literal:a from-env-file:l append-hash:b"),
    ),
    command(
        "create cronjob",
        &["cj"],
        "NAME --image=image --schedule='0/5 * * * ?' -- [COMMAND] [args...]",
        "Create a cron job with the specified name",
        creating!("image:s schedule:s restart:s"),
    ),
    command(
        "create deployment",
        &["deploy"],
        "NAME --image=image -- [COMMAND] [args...]",
        "Create a deployment with the specified name",
        creating!("image:l port:i=-1 r/replicas:i=1"),
    ),
    command(
        "create ingress",
        &["ing"],
        "NAME --rule=host/path=service:port[,tls[=secret]]",
        "Create an ingress with the specified name",
        creating!("class:s rule:a annotation:a default-backend:s"),
    ),
    command(
        "create job",
        &[],
        "NAME --image=image [--from=cronjob/name] -- [COMMAND] [args...]",
        "Create a job with the specified name",
        creating!("image:s from:s"),
    ),
    command(
        "create namespace",
        &["ns"],
        "NAME",
        "Create a namespace with the specified name",
        creating!(),
    ),
    command(
        "create poddisruptionbudget",
        &["pdb"],
        "NAME --selector=SELECTOR --min-available=N",
        "Create a pod disruption budget with the specified name",
        creating!("min-available:s max-unavailable:s selector:s"),
    ),
    command(
        "create priorityclass",
        &["pc"],
        "NAME --value=VALUE --global-default=BOOL",
        "Create a priority class with the specified name",
        creating!(
            "value:i=0 global-default:b description:s preemption-policy:s=PreemptLowerPriority"
        ),
    ),
    command(
        "create quota",
        &["resourcequota"],
        "NAME [--hard=key1=value1,key2=value2] [--scopes=Scope1,Scope2]",
        "Create a quota with the specified name",
        creating!("hard:s scopes:s"),
    ),
    command(
        "create role",
        &[],
        "NAME --verb=verb --resource=resource.group/subresource [--resource-name=resourcename]",
        "Create a role with single rule",
        creating!("verb:l resource:l resource-name:a"),
    ),
    command(
        "create rolebinding",
        &[],
        "NAME --clusterrole=NAME|--role=NAME [--user=username] [--group=groupname] [--serviceaccount=namespace:serviceaccountname]",
        "Create a role binding for a particular role or cluster role",
        creating!("clusterrole:s role:s user:a group:a serviceaccount:a"),
    ),
    command(
        "create secret",
        &[],
        "",
        "Create a secret using a specified subcommand",
        "",
    ),
    command(
        "create secret docker-registry",
        &[],
        "NAME --docker-username=user --docker-password=password --docker-email=email",
        "Create a secret for use with a Docker registry",
        creating!(
            "docker-server:s=https://index.docker.io/v1/ docker-username:s docker-password:s docker-email:s from-file:l append-hash:b"
        ),
    ),
    command(
        "create secret generic",
        &[],
        "NAME [--type=string] [--from-file=[key=]source] [--from-literal=key1=value1]",
        "Create a secret from a local file, directory, or literal value",
        creating!("from-file:l from-literal:a from-env-file:l type:s append-hash:b"),
    ),
    command(
        "create secret tls",
        &[],
        "NAME --cert=path/to/cert/file --key=path/to/key/file",
        "Create a TLS secret",
        creating!("cert:s key:s append-hash:b"),
    ),
    command(
        "create service",
        &["svc"],
        "",
        "Create a service using a specified subcommand",
        "",
    ),
    command(
        "create service clusterip",
        &[],
        "NAME [--tcp=<port>:<targetPort>]",
        "Create a ClusterIP service",
        creating!("tcp:l clusterip:s"),
    ),
    command(
        "create service externalname",
        &[],
        "NAME --external-name external.name",
        "Create an ExternalName service",
        creating!("tcp:l external-name:s"),
    ),
    command(
        "create service loadbalancer",
        &[],
        "NAME [--tcp=port:targetPort]",
        "Create a LoadBalancer service",
        creating!("tcp:l"),
    ),
    command(
        "create service nodeport",
        &[],
        "NAME [--tcp=port:targetPort]",
        "Create a NodePort service",
        creating!("tcp:l node-port:i=0"),
    ),
    command(
        "create serviceaccount",
        &["sa"],
        "NAME",
        "Create a service account with the specified name",
        creating!(),
    ),
    command(
        "create token",
        &[],
        "SERVICE_ACCOUNT_NAME",
        "Request a service account token",
        printing!(
            "audience:a duration:d=0s bound-object-kind:s bound-object-name:s bound-object-uid:s"
        ),
    ),
    command(
        "delete",
        &[],
        "([-f FILENAME] | [-k DIRECTORY] | TYPE [(NAME | -l label | --all)])",
        "Delete resources by file names, stdin, resources and names, or by resources and label selector",
        concat!(
            files!(),
            "all:b A/all-namespaces:b cascade:s=background?background dry-run:s=none?unchanged field-selector:s force:b grace-period:i=-1 ignore-not-found:b i/interactive:b now:b o/output:s raw:s l/selector:s timeout:d=0s wait:b=true"
        ),
    ),
    command(
        "describe",
        &[],
        "(-f FILENAME | TYPE [NAME_PREFIX | -l label] | TYPE/NAME)",
        "Show details of a specific resource or group of resources",
        concat!(
            files!(),
            "A/all-namespaces:b chunk-size:i=500 l/selector:s show-events:b=true"
        ),
    ),
    command(
        "drain",
        &[],
        "NODE",
        "Drain node in preparation for maintenance",
        "chunk-size:i=500 delete-emptydir-data:b delete-local-data:b disable-eviction:b dry-run:s=none?unchanged force:b grace-period:i=-1 ignore-daemonsets:b pod-selector:s l/selector:s skip-wait-for-delete-timeout:i=0 timeout:d=0s",
    ),
    command(
        "edit",
        &[],
        "(RESOURCE/NAME | -f FILENAME)",
        "Edit a resource on the server",
        concat!(
            printing!(),
            files!(),
            "field-manager:s=kubectl-edit output-patch:b save-config:b subresource:s validate:s=strict?strict windows-line-endings:b"
        ),
    ),
    command(
        "events",
        &[],
        "[(-o|--output=)json|yaml|name] [--for TYPE/NAME] [--watch] [--types=Normal,Warning]",
        "List events",
        printing!("A/all-namespaces:b chunk-size:i=500 for:s no-headers:b types:l w/watch:b"),
    ),
    command(
        "exec",
        &[],
        "(POD | TYPE/NAME) [-c CONTAINER] [flags] -- COMMAND [args...]",
        "Execute a command in a container",
        "c/container:s f/filename:l pod-running-timeout:d=1m0s q/quiet:b i/stdin:b t/tty:b",
    ),
    command(
        "explain",
        &[],
        "TYPE [--recursive=FALSE|TRUE] [--api-version=api-version-group]",
        "Get documentation for a resource",
        "api-version:s o/output:s=plaintext recursive:b",
    ),
    command(
        "expose",
        &[],
        "(-f FILENAME | TYPE NAME) [--port=port] [--protocol=TCP|UDP|SCTP] [--target-port=number-or-name]",
        "Take a replication controller, service, deployment or pod and expose it as a new Kubernetes service",
        concat!(
            printing!(),
            files!(),
            "cluster-ip:s dry-run:s=none?unchanged external-ip:s field-manager:s=kubectl-expose l/labels:s load-balancer-ip:s name:s override-type:s=merge overrides:s port:s protocol:s save-config:b selector:s session-affinity:s target-port:s type:s"
        ),
    ),
    command(
        "get",
        &[],
        "[(-o|--output=)...] (TYPE[.VERSION][.GROUP] [NAME | -l label] | TYPE/NAME ...) [flags]",
        "Display one or many resources",
        concat!(
            printing!(),
            files!(),
            "A/all-namespaces:b chunk-size:i=500 field-selector:s ignore-not-found:b L/label-columns:l no-headers:b output-watch-events:b raw:s l/selector:s server-print:b=true show-kind:b show-labels:b sort-by:s subresource:s w/watch:b watch-only:b"
        ),
    ),
    command(
        "label",
        &[],
        "[--overwrite] (-f FILENAME | TYPE NAME) KEY_1=VAL_1 ... KEY_N=VAL_N",
        "Update the labels on a resource",
        concat!(
            printing!(),
            files!(),
            "all:b A/all-namespaces:b dry-run:s=none?unchanged field-manager:s=kubectl-label field-selector:s list:b local:b overwrite:b resource-version:s l/selector:s"
        ),
    ),
    command(
        "logs",
        &["log"],
        "[-f] [-p] (POD | TYPE/NAME) [-c CONTAINER]",
        "Print the logs for a container in a pod",
        "all-containers:b all-pods:b c/container:s f/follow:b ignore-errors:b insecure-skip-tls-verify-backend:b limit-bytes:i=0 max-log-requests:i=5 pod-running-timeout:d=20s prefix:b p/previous:b l/selector:s since:d=0s since-time:s tail:i=-1 timestamps:b",
    ),
    command(
        "options",
        &[],
        "",
        "Print the list of flags inherited by all commands",
        "",
    ),
    command(
        "patch",
        &[],
        "(-f FILENAME | TYPE NAME) [-p PATCH|--patch-file FILE]",
        "Update fields of a resource",
        concat!(
            printing!(),
            files!(),
            "dry-run:s=none?unchanged field-manager:s=kubectl-patch local:b p/patch:s patch-file:s subresource:s type:s=strategic"
        ),
    ),
    command(
        "replace",
        &[],
        "-f FILENAME",
        "Replace a resource by file name or stdin",
        concat!(
            printing!(),
            files!(),
            "cascade:s=background?background dry-run:s=none?unchanged field-manager:s=kubectl-replace force:b grace-period:i=-1 raw:s save-config:b subresource:s timeout:d=0s validate:s=strict?strict wait:b"
        ),
    ),
    command(
        "rollout",
        &[],
        "SUBCOMMAND",
        "Manage the rollout of a resource",
        "",
    ),
    command(
        "rollout history",
        &[],
        "(TYPE NAME | TYPE/NAME) [flags]",
        "View rollout history",
        concat!(printing!(), files!(), "revision:i=0 l/selector:s"),
    ),
    command(
        "rollout pause",
        &[],
        "RESOURCE",
        "Mark the provided resource as paused",
        concat!(
            printing!(),
            files!(),
            "field-manager:s=kubectl-rollout l/selector:s"
        ),
    ),
    command(
        "rollout restart",
        &[],
        "RESOURCE",
        "Restart a resource",
        concat!(
            printing!(),
            files!(),
            "field-manager:s=kubectl-rollout l/selector:s"
        ),
    ),
    command(
        "rollout resume",
        &[],
        "RESOURCE",
        "Resume a paused resource",
        concat!(
            printing!(),
            files!(),
            "field-manager:s=kubectl-rollout l/selector:s"
        ),
    ),
    command(
        "rollout status",
        &[],
        "(TYPE NAME | TYPE/NAME) [flags]",
        "Show the status of the rollout",
        concat!(
            files!(),
            "revision:i=0 l/selector:s timeout:d=0s w/watch:b=true"
        ),
    ),
    command(
        "rollout undo",
        &[],
        "(TYPE NAME | TYPE/NAME) [flags]",
        "Undo a previous rollout",
        concat!(
            printing!(),
            files!(),
            "dry-run:s=none?unchanged to-revision:i=0 l/selector:s"
        ),
    ),
    command(
        "run",
        &[],
        "NAME --image=image [--env=\"key=value\"] [--port=port] [--dry-run=server|client] [--overrides=inline-json] [--command] -- [COMMAND] [args...]",
        "Run a particular image on the cluster",
        concat!(
            printing!(),
            "annotations:a attach:b cascade:s=background?background command:b dry-run:s=none?unchanged env:a expose:b field-manager:s=kubectl-run f/filename:l force:b grace-period:i=-1 image:s image-pull-policy:s l/labels:s leave-stdin-open:b override-type:s=merge overrides:s pod-running-timeout:d=1m0s port:s privileged:b q/quiet:b restart:s=Always rm:b save-config:b i/stdin:b t/tty:b timeout:d=0s wait:b"
        ),
    ),
    command(
        "scale",
        &[],
        "[--resource-version=version] [--current-replicas=count] --replicas=COUNT (-f FILENAME | TYPE NAME)",
        "Set a new size for a deployment, replica set, or replication controller",
        concat!(
            printing!(),
            files!(),
            "all:b current-replicas:i=-1 dry-run:s=none?unchanged replicas:i=0 resource-version:s l/selector:s timeout:d=0s"
        ),
    ),
    command(
        "set",
        &[],
        "SUBCOMMAND",
        "Set specific features on objects",
        "",
    ),
    command(
        "set env",
        &[],
        "RESOURCE/NAME KEY_1=VAL_1 ... KEY_N=VAL_N",
        "Update environment variables on a pod template",
        concat!(
            printing!(),
            files!(),
            "all:b c/containers:s=* dry-run:s=none?unchanged e/env:a field-manager:s=kubectl-set from:s keys:l list:b local:b overwrite:b=true prefix:s resolve:b l/selector:s"
        ),
    ),
    command(
        "set image",
        &[],
        "(-f FILENAME | TYPE NAME) CONTAINER_NAME_1=CONTAINER_IMAGE_1 ... CONTAINER_NAME_N=CONTAINER_IMAGE_N",
        "Update the image of a pod template",
        concat!(
            printing!(),
            files!(),
            "all:b dry-run:s=none?unchanged field-manager:s=kubectl-set local:b l/selector:s"
        ),
    ),
    command(
        "set resources",
        &[],
        "(-f FILENAME | TYPE NAME) ([--limits=LIMITS & --requests=REQUESTS]",
        "Update resource requests/limits on objects with pod templates",
        concat!(
            printing!(),
            files!(),
            "all:b c/containers:s=* dry-run:s=none?unchanged field-manager:s=kubectl-set limits:s requests:s local:b l/selector:s"
        ),
    ),
    command(
        "set serviceaccount",
        &["sa"],
        "(-f FILENAME | TYPE NAME) SERVICE_ACCOUNT",
        "Update the service account of a resource",
        concat!(
            printing!(),
            files!(),
            "all:b dry-run:s=none?unchanged field-manager:s=kubectl-set local:b"
        ),
    ),
    command(
        "taint",
        &[],
        "NODE NAME KEY_1=VAL_1:TAINT_EFFECT_1 ... KEY_N=VAL_N:TAINT_EFFECT_N",
        "Update the taints on one or more nodes",
        printing!(
            "all:b dry-run:s=none?unchanged field-manager:s=kubectl-taint overwrite:b l/selector:s validate:s=strict?strict"
        ),
    ),
    command("top", &[], "", "Display resource (CPU/memory) usage", ""),
    command(
        "top node",
        &["nodes", "no"],
        "[NAME | -l label]",
        "Display resource (CPU/memory) usage of nodes",
        "no-headers:b l/selector:s show-capacity:b sort-by:s use-protocol-buffers:b=true",
    ),
    command(
        "top pod",
        &["pods", "po"],
        "[NAME | -l label]",
        "Display resource (CPU/memory) usage of pods",
        "A/all-namespaces:b containers:b field-selector:s no-headers:b l/selector:s sort-by:s sum:b use-protocol-buffers:b=true",
    ),
    command(
        "uncordon",
        &[],
        "NODE",
        "Mark node as schedulable",
        "dry-run:s=none?unchanged l/selector:s",
    ),
    command(
        "version",
        &[],
        "[flags]",
        "Print the client and server version information",
        "client:b o/output:s",
    ),
    command(
        "wait",
        &[],
        "([-f FILENAME] | resource.group/resource.name | resource.group [(-l label | --all)]) [--for=create|--for=delete|--for condition=available|--for=jsonpath='{}'[=value]]",
        "Experimental: Wait for a specific condition on one or many resources",
        concat!(
            printing!(),
            "f/filename:l R/recursive:b all:b A/all-namespaces:b field-selector:s for:a local:b l/selector:s timeout:d=30s"
        ),
    ),
];

/// Verbs of Google's kubectl that this one refuses by name, with the reason.
const REFUSED: &[(&str, &str)] = &[
    (
        "attach",
        "the API server here has no attach subresource for simulated containers",
    ),
    ("cp", "copy with 'kubectl exec POD -- cat FILE' instead"),
    ("debug", "ephemeral containers are not run here"),
    (
        "diff",
        "compare with 'kubectl get -o yaml' and diff instead",
    ),
    ("kustomize", "kustomizations are not built here"),
    ("plugin", "plugins are not searched for"),
    ("port-forward", "ports of Pods are not forwarded here"),
    ("proxy", "use 'kubectl get --raw PATH' instead"),
    ("alpha", "there are no alpha commands"),
    ("completion", "completion scripts are not generated"),
];

/// What the command line's words lead to.
pub enum Found {
    /// A command and the words that are left.
    Command(&'static Command, Vec<String>),
    /// Text to print, and success.
    Help(String),
    /// Text to print, and failure.
    HelpAndFail(String),
}

/// Global flags whose value is the next word.
fn takes_value(word: &str) -> bool {
    matches!(
        word,
        "-n" | "-s"
            | "-v"
            | "--namespace"
            | "--server"
            | "--context"
            | "--cluster"
            | "--user"
            | "--kubeconfig"
            | "--token"
            | "--as"
            | "--as-group"
            | "--as-uid"
            | "--certificate-authority"
            | "--client-certificate"
            | "--client-key"
            | "--tls-server-name"
            | "--request-timeout"
            | "--cache-dir"
            | "--username"
            | "--password"
            | "--vmodule"
            | "--profile"
            | "--profile-output"
            | "--log-flush-frequency"
    )
}

/// The place of the first word that is neither a flag nor a flag's value.
fn first_word(words: &[String]) -> Option<usize> {
    let mut at = 0;
    while let Some(word) = words.get(at) {
        if word == "--" {
            return None;
        }
        if !word.starts_with('-') {
            return Some(at);
        }
        at += if takes_value(word) { 2 } else { 1 };
    }
    None
}

fn children(parent: &str) -> impl Iterator<Item = (&'static str, &'static Command)> + '_ {
    COMMANDS.iter().filter_map(move |c| {
        let rest = if parent.is_empty() {
            c.path
        } else {
            c.path.strip_prefix(parent)?.strip_prefix(' ')?
        };
        (!rest.contains(' ')).then_some((rest, c))
    })
}

/// Finds the command that the words name.
///
/// # Errors
/// There is no such command, or it is one that is refused.
pub fn find(words: &[String]) -> Outcome<Found> {
    let mut rest = words.to_vec();
    let mut found: Option<&'static Command> = None;
    let mut path = String::new();
    while let Some(at) = first_word(&rest) {
        let word = rest[at].clone();
        if found.is_none() && word == "help" {
            let mut words = rest.clone();
            words.remove(at);
            words.push("--help".to_owned());
            return if first_word(&words).is_some() {
                find(&words)
            } else {
                Ok(Found::Help(overview()))
            };
        }
        let child =
            children(&path).find(|(name, c)| *name == word || c.aliases.contains(&word.as_str()));
        let Some((_, child)) = child else { break };
        path = child.path.to_owned();
        found = Some(child);
        rest.remove(at);
        if children(&path).next().is_none() {
            break;
        }
    }
    let Some(found) = found else {
        return top_level(&rest);
    };
    // `create` and `apply` are groups and commands at once.
    let group_only = children(&path).next().is_some()
        && !matches!(path.as_str(), "create" | "apply" | "cluster-info");
    if group_only {
        let helped = rest.iter().any(|w| w == "-h" || w == "--help");
        return match first_word(&rest) {
            Some(at) if !helped => Err(Error::Message(format!(
                "unknown command {}\nSee 'kubectl {path} -h' for help and examples",
                kube::gofmt::quote(&rest[at..].join(" "))
            ))),
            _ if helped => Ok(Found::Help(group(found))),
            _ => Ok(Found::HelpAndFail(group(found))),
        };
    }
    Ok(Found::Command(found, rest))
}

fn top_level(rest: &[String]) -> Outcome<Found> {
    let Some(at) = first_word(rest) else {
        let unknown = rest
            .iter()
            .find(|w| w.starts_with('-') && !matches!(w.as_str(), "-h" | "--help"));
        if let Some(flag) = unknown
            && let Err(e) = crate::flags::Flags::parse("", std::slice::from_ref(flag))
        {
            return Err(Error::Message(format!(
                "{e}\nSee 'kubectl --help' for usage."
            )));
        }
        return Ok(Found::Help(overview()));
    };
    let word = &rest[at];
    if let Some((name, why)) = REFUSED.iter().find(|(name, _)| name == word) {
        return Err(Error::Message(format!(
            "'kubectl {name}' is not supported by this kubectl: {why}"
        )));
    }
    let close = suggestions(word);
    let mut message = format!(
        "unknown command {} for \"kubectl\"",
        kube::gofmt::quote(word)
    );
    if !close.is_empty() {
        message.push_str("\n\nDid you mean this?\n");
        for name in close {
            // Writing to a String cannot fail.
            let _ = writeln!(message, "\t{name}");
        }
    }
    Err(Error::Message(message))
}

/// The order in which Google's kubectl lists its commands, and suggests them.
const ORDER: &[&str] = &[
    "create",
    "expose",
    "run",
    "set",
    "explain",
    "get",
    "edit",
    "delete",
    "rollout",
    "scale",
    "autoscale",
    "certificate",
    "cluster-info",
    "top",
    "cordon",
    "uncordon",
    "drain",
    "taint",
    "describe",
    "logs",
    "attach",
    "exec",
    "port-forward",
    "proxy",
    "cp",
    "auth",
    "debug",
    "events",
    "diff",
    "apply",
    "patch",
    "replace",
    "wait",
    "kustomize",
    "label",
    "annotate",
    "completion",
    "alpha",
    "api-resources",
    "api-versions",
    "config",
    "plugin",
    "version",
];

/// Commands at most two edits away, or that begin with the word.
fn suggestions(word: &str) -> Vec<&'static str> {
    let lower = word.to_lowercase();
    let refused = REFUSED.iter().map(|(name, _)| *name);
    let mut close: Vec<_> = children("")
        .map(|(name, _)| name)
        .chain(refused)
        .filter(|name| distance(&lower, name) <= 2 || name.starts_with(&lower))
        .collect();
    close.sort_by_key(|name| ORDER.iter().position(|n| n == name));
    close
}

/// Levenshtein's distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, &y) in b.iter().enumerate() {
            let cost = if x == y {
                diagonal
            } else {
                1 + diagonal.min(row[j]).min(row[j + 1])
            };
            diagonal = row[j + 1];
            row[j + 1] = cost;
        }
    }
    row[b.len()]
}

fn listing(parent: &str, out: &mut String) {
    let mut all: Vec<_> = children(parent).collect();
    if parent.is_empty() {
        all.sort_by_key(|(name, _)| ORDER.iter().position(|n| n == name));
    }
    for (name, command) in all {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "  {name:<20}{}", command.about);
    }
}

fn overview() -> String {
    let mut out = String::from("kubectl controls the Kubernetes cluster manager.\n\nCommands:\n");
    listing("", &mut out);
    out.push_str("\nUsage:\n  kubectl [flags] [options]\n\nUse \"kubectl <command> --help\" for more information about a given command.\n");
    out
}

fn group(command: &Command) -> String {
    let mut out = format!("{}.\n\nAvailable Commands:\n", command.about);
    listing(command.path, &mut out);
    // Writing to a String cannot fail.
    let _ = write!(
        out,
        "\nUsage:\n  kubectl {} SUBCOMMAND [options]\n\nUse \"kubectl {} <command> --help\" for more information about a given command.\n",
        command.path, command.path
    );
    out
}

/// The help of one command.
pub fn help(command: &Command) -> String {
    let mut out = format!("{}.\n", command.about);
    if children(command.path).next().is_some() {
        out.push_str("\nAvailable Commands:\n");
        listing(command.path, &mut out);
    }
    if !command.flags.trim().is_empty() {
        out.push_str("\nOptions:\n");
        for word in command.flags.split_whitespace() {
            let (names, rest) = word.split_once(':').unwrap_or((word, "b"));
            let (short, name) = match names.split_once('/') {
                Some((short, name)) => (format!("-{short}, "), name),
                None => ("    ".to_owned(), names),
            };
            let default = rest.get(1..).unwrap_or_default();
            let default = default
                .split('?')
                .next()
                .unwrap_or_default()
                .trim_start_matches('=');
            let default = match rest.as_bytes().first() {
                Some(b'b') if default.is_empty() => "false".to_owned(),
                Some(b's') => format!("'{default}'"),
                Some(b'l' | b'a') => "[]".to_owned(),
                _ => default.to_owned(),
            };
            // Writing to a String cannot fail.
            let _ = writeln!(out, "    {short}--{name}={default}");
        }
    }
    let _ = write!(
        out,
        "\nUsage:\n  kubectl {} {}\n\nUse \"kubectl options\" for a list of global command-line options (applies to all commands).\n",
        command.path, command.usage
    );
    out
}

#[cfg(test)]
mod tests {
    use super::{COMMANDS, Found, find, help};

    fn path(line: &str) -> String {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        match find(&words) {
            Ok(Found::Command(command, rest)) => format!("{} | {}", command.path, rest.join(" ")),
            Ok(_) => "help".to_owned(),
            Err(e) => e.to_string(),
        }
    }

    #[test]
    fn words_lead_to_commands() {
        assert_eq!(path("-n x get pods -o wide"), "get | -n x pods -o wide");
        assert_eq!(
            path("create deploy web --image=x"),
            "create deployment | web --image=x"
        );
        assert_eq!(path("create -f x"), "create | -f x");
        assert_eq!(path("create secret generic a"), "create secret generic | a");
        assert_eq!(
            path("rollout -n y status deploy/x"),
            "rollout status | -n y deploy/x"
        );
        assert_eq!(
            path("gett"),
            "unknown command \"gett\" for \"kubectl\"\n\nDid you mean this?\n\tset\n\tget\n"
        );
        assert_eq!(
            path("rollout foo"),
            "unknown command \"foo\"\nSee 'kubectl rollout -h' for help and examples"
        );
    }

    #[test]
    fn every_command_has_help() {
        for command in COMMANDS {
            assert!(help(command).contains("Usage:"), "{}", command.path);
        }
    }
}
