# shellcheck shell=bash
# docker-compose.yml and its Dockerfiles without a container engine. Sourced by run.
#
# docker-compose checks the file against its schema and says what it comes to. Each instruction of the Dockerfiles is then
# done in a clean root, and the services are started as the file says: in their order, as their user, without capabilities, on
# a read-only root with their volumes, and on their networks. Their health checks must succeed, and a rule refuse a request.

# -- images: a root each ------------------------------------------------------------------------------------

# What the last instructions said.
declare -A IMAGE_USER IMAGE_ENTRYPOINT IMAGE_CMD

# Instructions of a Dockerfile, one a line, without comments.
instructions() { # FILE
    sed -e '/^[[:space:]]*#/d' -e '/^[[:space:]]*$/d' "$1" | sed -e ':again' -e '/\\$/{N;s/[[:space:]]*\\\n[[:space:]]*/ /;bagain}'
}

copy() { # ROOT DIRECTORY ARGUMENT...: COPY, from the sources or an earlier stage
    local root=$1 directory=$2 from=$SOURCES target argument path
    local -a paths=()
    shift 2
    if [[ $1 == --from=* ]]; then
        from=$WORK/$image-${1#--from=}
        shift
    fi
    for argument in "${@:1:$#-1}"; do
        # shellcheck disable=SC2206 # patterns are to be expanded
        paths+=($from/${argument#/})
    done
    target=${!#}
    [[ $target == /* ]] || target=$directory/$target
    # As docker does: files go into a directory if the target ends in /; of a directory what is in it, not itself.
    mkdir -p "$root$(dirname "${target}x")"
    for path in "${paths[@]}"; do
        [ -e "$path" ] || fail "$image: COPY: $path is missing"
        if [ -d "$path" ]; then
            cp -rT --preserve=mode "$path" "$root$target"
        else
            cp --preserve=mode "$path" "$root$target"
        fi
    done
}

build_image() { # NAME DOCKERFILE
    local image=$1 file=$2 root='' stage=0 name directory=/ word rest release
    local -a words
    IMAGE_USER[$image]=0 IMAGE_ENTRYPOINT[$image]='[]' IMAGE_CMD[$image]='[]'
    while read -r word rest; do
        case $word in
        FROM)
            release=${rest%% *}
            [[ $release == debian:*-slim ]] || fail "$file: FROM $rest: this test knows only debian:RELEASE-slim"
            release=${release#debian:} release=${release%-slim}
            name=$stage
            [[ $rest == *' AS '* ]] && name=${rest##* AS }
            stage=$((stage + 1))
            root=$WORK/$image-$name
            new_root "$release" "$image-$name"
            directory=/
            ;;
        RUN) quietly inside "$root" sh -c "cd $directory && $rest" ;;
        COPY) read -ra words <<< "$rest" && copy "$root" "$directory" "${words[@]}" ;;
        WORKDIR) directory=$rest && mkdir -p "$root$directory" ;;
        USER) IMAGE_USER[$image]=$rest ;;
        ENTRYPOINT) IMAGE_ENTRYPOINT[$image]=$rest ;;
        CMD) IMAGE_CMD[$image]=$rest ;;
        STOPSIGNAL) ;;
        *) fail "$file: this test does not know $word" ;;
        esac
    done < <(instructions "$file")
    rm -rf "${WORK:?}/$image"
    mv "$root" "$WORK/$image"
    rm -rf "${WORK:?}/$image"-*
}

# -- services: processes --------------------------------------------------------------------------------------

COMPOSED=$WORK/compose.json
of_service() { jq -c ".services.$1 | $2" "$COMPOSED"; }       # SERVICE FILTER
declare -A SERVICE_PID=()

# The first process of a service's own, with which all others of it end.
first_process() { # SERVICE
    local children
    children=$(cat "/proc/${SERVICE_PID[$1]}/task/${SERVICE_PID[$1]}/children" 2> /dev/null) && [ -n "$children" ] && echo "${children%% *}"
}

stop_service() { # SERVICE
    local process
    process=$(first_process "$1") && kill -9 "$process"
    wait "${SERVICE_PID[$1]}" || true
    unset "SERVICE_PID[$1]"
}

stop_services() {
    local service
    for service in "${!SERVICE_PID[@]}"; do
        stop_service "$service"
    done
    umount_volumes
    ip netns del "$NETWORK" 2> /dev/null || true
    ip netns del "$NETWORK-feed" 2> /dev/null || true
}

umount_volumes() {
    local directory
    for directory in "$WORK"/volumes/*; do
        ! mountpoint -q "$directory" || umount "$directory"
    done
}

# A new volume has what the image has at its place; a tmpfs what its options say.
make_volume() { # NAME ROOT PATH
    local directory=$WORK/volumes/$1 options
    [ -d "$directory" ] && return 0
    mkdir -p "$directory"
    options=$(jq -r ".volumes.$1.driver_opts // {} | select(.type == \"tmpfs\").o" "$COMPOSED")
    if [ -n "$options" ]; then
        mount -t tmpfs -o "$options" tmpfs "$directory"
    else
        [ -d "$2$3" ] && cp -aT "$2$3" "$directory"
    fi
}

# Starts a service; its command is the image's entry point with the service's or the image's arguments.
start_service() { # SERVICE
    local service=$1 image root user group network=$NETWORK setup volume name path mode
    local -a command environment
    image=$(of_service "$service" '.build.dockerfile' | tr -d '"')
    image=${image%/Dockerfile}-image
    root=$WORK/$image
    mapfile -t command < <(jq -rn "(${IMAGE_ENTRYPOINT[$image]} + ($(of_service "$service" '.command // null') // ${IMAGE_CMD[$image]}))[]")
    mapfile -t environment < <(of_service "$service" '(.environment // {} | to_entries[] | "\(.key)=\(.value)")' | jq -r .)
    user=${IMAGE_USER[$image]%%:*}
    [ "$user" != 0 ] && [ "$user" != root ] || fail "$service runs as root"
    group=$(inside "$root" id -g "$user")
    user=$(inside "$root" id -u "$user")
    [ "$(of_service "$service" '.networks // {} | keys')" = '["feed"]' ] && network=$NETWORK-feed
    [ "$(of_service "$service" '[.read_only, .cap_drop, .security_opt]')" = '[true,["ALL"],["no-new-privileges:true"]]' ] ||
        fail "$service is not hardened"

    setup="mount --bind '$root' '$root'"
    for volume in $(of_service "$service" '.volumes // [] | .[]' | tr -d '"'); do
        IFS=: read -r name path mode <<< "$volume"
        make_volume "$name" "$root" "$path"
        setup+=" && mkdir -p '$root$path' && mount --bind '$WORK/volumes/$name' '$root$path'"
        [ "${mode%%,*}" = ro ] && setup+=" && mount -o remount,bind,ro '$root$path'"
    done
    setup+=" && mount -t proc proc '$root/proc' && mount --bind /dev '$root/dev' && mount -o remount,bind,ro '$root'"
    # As an engine starts it: nothing but its volumes can be written, nothing is left of root.
    ip netns exec "$network" unshare --mount --pid --fork --kill-child bash -c "$setup"' && exec chroot "$@"' bash "$root" \
        setpriv --reuid "$user" --regid "$group" --clear-groups --bounding-set=-all --inh-caps=-all --no-new-privs \
        env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "${environment[@]}" "${command[@]}" \
        > "$WORK/$service.log" 2>&1 < /dev/null &
    SERVICE_PID[$service]=$!
}

# A command beside the service's own, as `docker compose exec` runs it.
in_service() { # SERVICE COMMAND...
    local child
    child=$(first_process "$1") || return 1
    nsenter --target "$child" --mount --net --pid --root --wd=/ setpriv --reuid "$(stat -c %u "/proc/$child")" \
        --regid "$(stat -c %g "/proc/$child")" --clear-groups --bounding-set=-all --no-new-privs "${@:2}"
}

# Until the health check's command succeeds.
wait_healthy() { # SERVICE
    local deadline=$((SECONDS + 120))
    local -a check
    mapfile -t check < <(of_service "$1" '.healthcheck.test' | jq -r '.[1:][]')
    [ "${#check[@]}" -gt 0 ] || fail "$1 has no health check"
    until in_service "$1" "${check[@]}" > /dev/null 2>&1; do
        kill -0 "${SERVICE_PID[$1]}" 2> /dev/null || { cat "$WORK/$1.log"; fail "$1 ended"; }
        [ "$SECONDS" -lt "$deadline" ] || { cat "$WORK/$1.log"; fail "$1 is not healthy"; }
        sleep 0.2
    done
}

request() { ip netns exec "$NETWORK" curl -s -o /dev/null -w '%{http_code}' --max-time 60 "http://127.0.0.1:8080$1" || true; }
expect_soon() { # STATUS PATH
    local deadline=$((SECONDS + 120))
    until [ "$(request "$2")" = "$1" ]; do
        [ "$SECONDS" -lt "$deadline" ] || { tail -n 20 "$WORK"/*.log; fail "$2 gives $(request "$2"), not $1"; }
        sleep 0.1
    done
}

test_compose() {
    local service dockerfile network root command address subnet deadline
    needs docker-compose jq ip sqlite3
    quietly docker-compose -f "$SOURCES/docker-compose.yml" config -q
    mkdir -p "$WORK"
    docker-compose -f "$SOURCES/docker-compose.yml" config | python3 -c 'import json, sys, yaml; json.dump(yaml.safe_load(sys.stdin), sys.stdout)' > "$COMPOSED"
    passed "docker-compose.yml agrees with its schema"

    for dockerfile in $(jq -r '[.services[].build.dockerfile] | unique[]' "$COMPOSED"); do
        build_image "${dockerfile%/Dockerfile}-image" "$SOURCES/$dockerfile"
        passed "$dockerfile: every instruction, in a clean root"
    done

    NETWORK=packaging-$$
    trap stop_services EXIT
    umount_volumes
    rm -rf "$WORK/volumes"
    for network in "$NETWORK" "$NETWORK-feed"; do
        ip netns add "$network"
        ip -n "$network" link set lo up
    done
    # HAProxy and origin share a network, on which services have names. HAProxy and agent share another, which leads nowhere.
    [ "$(jq -c '.networks.feed.internal, (.services | map_values(.networks // {} | keys))' "$COMPOSED")" = \
        'true'$'\n''{"agent":["feed"],"haproxy":["default","feed"],"origin":[]}' ] || fail "not the networks that this test knows"
    address=$(of_service agent '.networks.feed.ipv4_address' | tr -d '"')
    subnet=$(jq -r '.networks.feed.ipam.config[0].subnet' "$COMPOSED")
    ip -n "$NETWORK" link add feed type veth peer name feed netns "$NETWORK-feed"
    ip -n "$NETWORK-feed" address add "$address/${subnet#*/}" dev feed
    ip -n "$NETWORK" address add "${address%.*}.$((${address##*.} + 1))/${subnet#*/}" dev feed
    for network in "$NETWORK" "$NETWORK-feed"; do
        ip -n "$network" link set feed up
    done
    for root in "$WORK"/*-image; do
        jq -r '.services | keys[] | "127.0.0.1 \(.)"' "$COMPOSED" >> "$root/etc/hosts"
    done
    for service in agent origin haproxy; do
        start_service "$service"
        [ "$service" = haproxy ] || wait_healthy "$service"
    done
    wait_healthy haproxy
    passed "agent, origin and HAProxy start as their users, on read-only roots, and are healthy"

    expect_soon 200 /items/1
    in_service agent sqlite3 /rules/rules.db "INSERT INTO rules(path, action) VALUES ('/denied', 'deny')"
    expect_soon 403 /denied
    sqlite3 "$WORK/volumes/rules/rules.db" "INSERT INTO rules(path, requests, period) VALUES ('/limited', 1, 3600)"
    expect_soon 429 /limited
    [ "$(request /items/1)" = 200 ] || fail "what no rule refuses is refused"
    passed "rules written in the container and from outside hold"
    deadline=$((SECONDS + 15))
    until [ "$(sqlite3 -readonly "$WORK/volumes/analytics/analytics.db" "SELECT sum(responses) > 2 FROM daily_summary")" = 1 ]; do
        [ "$SECONDS" -lt "$deadline" ] || { tail -n 20 "$WORK"/*.log; fail "no answer is counted: the log feed does not arrive"; }
        sleep 0.1
    done
    passed "the log feed arrives"

    # A new container has the rules and the counters of the old one.
    stop_service agent
    expect_soon 200 /denied
    start_service agent
    wait_healthy agent
    expect_soon 403 /denied
    expect_soon 429 /limited
    passed "the agent's container is replaced: requests pass meanwhile, and rules and counters are those of before"

    sed -n 's/^docker compose exec agent //p' "$SOURCES/README.md" > "$WORK/commands"
    [ -s "$WORK/commands" ] || fail "the README has no commands for the agent's container"
    while read -r command; do
        eval "in_service agent $command" < /dev/null || fail "the README's: $command"
    done < "$WORK/commands"
    expect_soon 429 /items/1
    [ -s "$WORK/volumes/analytics/reports/today/index.html" ] || fail "no report"
    passed "the README's commands"
    stop_services
    trap - EXIT
    rm -rf "$WORK"/*-image "$WORK/volumes"
}
