#include "worker/steps/probe_script.h"

#define MARK "CAUSEWAY-PROBE/1 "
#define OUTPUT_BYTES_MAX ((size_t)64 * 1024)

/* Plain Python 3: nodes have no dig, and getaddrinfo answers from the hosts file, so DNS queries are made by hand. */
static const char script[] =
    "import json, os, socket, ssl, struct\n"
    "def read_name(b, i):\n"
    "    parts, end = [], None\n"
    "    for _ in range(128):\n"
    "        n = b[i]\n"
    "        if n >= 192:\n"
    "            end = i + 2 if end is None else end\n"
    "            i = struct.unpack('>H', b[i:i + 2])[0] & 0x3fff\n"
    "        elif n == 0:\n"
    "            return '.'.join(parts), i + 1 if end is None else end\n"
    "        else:\n"
    "            parts.append(b[i + 1:i + 1 + n].decode('ascii', 'replace'))\n"
    "            i += 1 + n\n"
    "    raise ValueError('name too long')\n"
    "def ask(server, host):\n"
    "    r = {'server': server, 'rcode': 'TIMEOUT', 'cname': [], 'addresses': [], 'ttl': 0}\n"
    "    q = os.urandom(2) + struct.pack('>HHHHH', 0x0100, 1, 0, 0, 0)\n"
    "    q += b''.join(bytes([len(p)]) + p.encode() for p in host.split('.')) + b'\\0' + struct.pack('>HH', 1, 1)\n"
    "    for _ in range(2):\n"
    "        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
    "        s.settimeout(3)\n"
    "        try:\n"
    "            s.sendto(q, (server, 53))\n"
    "            b = s.recv(4096)\n"
    "            if b[:2] != q[:2]:\n"
    "                continue\n"
    "            code = b[3] & 15\n"
    "            r['rcode'] = {0: 'NOERROR', 2: 'SERVFAIL', 3: 'NXDOMAIN', 5: 'REFUSED'}.get(code, str(code))\n"
    "            i = read_name(b, 12)[1] + 4\n"
    "            for _ in range(struct.unpack('>H', b[6:8])[0]):\n"
    "                i = read_name(b, i)[1]\n"
    "                kind, _, ttl, size = struct.unpack('>HHIH', b[i:i + 10])\n"
    "                i += 10\n"
    "                if kind == 5:\n"
    "                    r['cname'].append(read_name(b, i)[0].lower())\n"
    "                elif kind == 1:\n"
    "                    r['addresses'].append(socket.inet_ntoa(b[i:i + 4]))\n"
    "                    r['ttl'] = ttl\n"
    "                i += size\n"
    "            return r\n"
    "        except (OSError, ValueError, IndexError, struct.error):\n"
    "            continue\n"
    "        finally:\n"
    "            s.close()\n"
    "    return r\n"
    "def resolvers():\n"
    "    found = []\n"
    "    try:\n"
    "        with open('/etc/resolv.conf') as f:\n"
    "            found = [line.split()[1] for line in f if line.startswith('nameserver') and '.' in line]\n"
    "    except OSError:\n"
    "        pass\n"
    "    return found + [s for s in ['168.63.129.16'] if s not in found]\n"
    "def hosts_entry(host):\n"
    "    try:\n"
    "        with open('/etc/hosts') as f:\n"
    "            for line in f:\n"
    "                words = line.split('#')[0].split()\n"
    "                if host in words[1:]:\n"
    "                    return words[0]\n"
    "    except OSError:\n"
    "        pass\n"
    "    return ''\n"
    "def library(host):\n"
    "    try:\n"
    "        return sorted({a[4][0] for a in socket.getaddrinfo(host, 443, socket.AF_INET)})\n"
    "    except OSError:\n"
    "        return []\n"
    "def connect(address, port):\n"
    "    try:\n"
    "        socket.create_connection((address, port), 5).close()\n"
    "        return 'open'\n"
    "    except ConnectionRefusedError:\n"
    "        return 'refused'\n"
    "    except OSError:\n"
    "        return 'timeout'\n"
    "def handshake(address, host, r):\n"
    "    r['tls'] = {'address': address, 'ok': False, 'subject': '', 'error': ''}\n"
    "    r['http'] = {'status': 0}\n"
    "    try:\n"
    "        with socket.create_connection((address, 443), 5) as raw:\n"
    "            with ssl.create_default_context().wrap_socket(raw, server_hostname=host) as t:\n"
    "                names = [v for k, v in t.getpeercert().get('subjectAltName', ()) if k == 'DNS']\n"
    "                r['tls'].update(ok=True, subject=names[0] if names else '')\n"
    "                t.sendall(b'GET /api/2.0/clusters/list-zones HTTP/1.1\\r\\nHost: ' + host.encode()\n"
    "                          + b'\\r\\nConnection: close\\r\\n\\r\\n')\n"
    "                r['http']['status'] = int(t.recv(64).split(b' ')[1])\n"
    "    except (OSError, ValueError, IndexError) as e:\n"
    "        r['tls']['error'] = str(e)[:200]\n"
    "def rows():\n"
    "    try:\n"
    "        return [r[0] for r in spark.range(1).collect()]\n"
    "    except Exception:\n"
    "        return []\n"
    "r = {'resolvers': resolvers(), 'getaddrinfo': library(P['host']), 'hosts': hosts_entry(P['host'])}\n"
    "r['dns'] = [ask(s, P['host']) for s in r['resolvers']]\n"
    "r['tcp'] = [{'address': P['address'], 'port': p, 'result': connect(P['address'], p)} for p in P['ports']]\n"
    "handshake(P['address'], P['host'], r)\n"
    "r['rows'] = rows()\n"
    "print('" MARK "' + json.dumps(r))\n";

char *cw_probe_source(const struct cw_probe_question *question, struct cw_arena *mem)
{
    CW_AUTO(cw_buf_fini) struct cw_buf json = {0};
    cw_buf_add_z(&json, "{\"host\":\"");
    cw_buf_add_json(&json, question->host, strlen(question->host));
    cw_buf_add_z(&json, "\",\"address\":\"");
    cw_buf_add_json(&json, question->address, strlen(question->address));
    cw_buf_add_z(&json, "\",\"ports\":[443,6666],\"zone\":\"");
    cw_buf_add_json(&json, question->zone, strlen(question->zone));
    cw_buf_add_z(&json, "\"}");
    if (json.failed)
        return NULL;
    return cw_arena_printf(mem, "# causeway-probe/1 %s\nP = %s\n%s", cw_buf_z(&json), cw_buf_z(&json),
                           script);
}

int cw_probe_decode(const char *text, size_t n, struct cw_arena *mem, struct cw_probe_v1 *ret_probe,
                    struct cw_err *err)
{
    struct cw_problems problems = {0};
    json_t *doc = NULL;
    int r = cw_json_parse_in(mem, text, n, OUTPUT_BYTES_MAX, &doc, err);
    if (r < 0) {
        err->code = CW_EPROTO;
        err->class = cw_err_class_of(CW_EPROTO);
        (void)cw_err_wrap(err, "output of the probe");
        return -CW_EPROTO;
    }
    if (cw_shape_decode(&cw_probe_v1_shape, doc, "", mem, ret_probe, &problems) < 0)
        return cw_err_set(err, CW_EPROTO, "output of the probe: %s",
                          problems.count > 0 ? problems.items[0].message : "malformed");
    return 0;
}

int cw_probe_read(const char *output, struct cw_arena *mem, struct cw_probe_v1 *ret_probe,
                  const char **ret_json, struct cw_err *err)
{
    const char *mark = output == NULL ? NULL : strstr(output, MARK);
    if (mark == NULL)
        return cw_err_set(err, CW_EPROTO, "the node's output has no line of the probe");
    const char *text = mark + strlen(MARK);
    size_t n = strcspn(text, "\r\n");
    int r = cw_probe_decode(text, n, mem, ret_probe, err);
    if (r < 0)
        return r;
    *ret_json = cw_arena_memdup(mem, text, n);
    return *ret_json == NULL ? cw_err_set(err, CW_ENOMEM, "probe") : 0;
}

static bool passes_zone(const struct cw_probe_dns_v1 *dns, const char *zone)
{
    for (size_t i = 0; i < dns->cname_count; i++)
        if (cw_z_ends_nocase(dns->cname[i], zone))
            return true;
    return false;
}

static const char *judge_dns(const struct cw_probe_dns_v1 *dns, const struct cw_probe_question *q,
                             struct cw_arena *mem)
{
    if (!cw_z_eq(dns->rcode, "NOERROR"))
        return cw_arena_printf(mem, "the node's DNS server %s answers %s for %s", dns->server, dns->rcode,
                               q->host);
    for (size_t i = 0; i < dns->address_count; i++)
        if (!cw_z_eq(dns->addresses[i], q->address))
            return cw_arena_printf(mem, "on the node %s resolves to %s (by %s), the endpoint has %s", q->host,
                                   dns->addresses[i], dns->server, q->address);
    if (dns->address_count == 0)
        return cw_arena_printf(mem, "the node's DNS server %s gives no address for %s", dns->server, q->host);
    if (!passes_zone(dns, q->zone))
        return cw_arena_printf(mem, "on the node %s does not resolve through the zone %s", q->host, q->zone);
    return NULL;
}

const char *cw_probe_judge(const struct cw_probe_v1 *probe, const struct cw_probe_question *q,
                           struct cw_arena *mem)
{
    if (probe->dns_count == 0)
        return "the node asked no DNS server";
    /* The first server is the one that programs on the node use; the others are told as evidence. */
    const char *why = judge_dns(&probe->dns[0], q, mem);
    if (why != NULL)
        return why;
    for (size_t i = 0; i < probe->tcp_count; i++)
        if (!cw_z_eq(probe->tcp[i].result, "open"))
            return cw_arena_printf(mem, "the node cannot connect to the endpoint %s port %lld: %s",
                                   q->address, (long long)probe->tcp[i].port, probe->tcp[i].result);
    if (!probe->tls.ok)
        return cw_arena_printf(mem, "TLS to the endpoint fails: %s",
                               probe->tls.error == NULL ? "" : probe->tls.error);
    if (!cw_z_eq(probe->rows_json, "[0]"))
        return cw_arena_printf(mem, "the query returned %s, not [0]",
                               probe->rows_json == NULL ? "nothing" : probe->rows_json);
    return NULL;
}
