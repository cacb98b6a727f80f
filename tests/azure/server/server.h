/* tests/azure/server/server.h: azure-sim, the Azure model behind a real HTTPS server.
 *
 * One thread, one epoll set: the HTTPS front and the admin front (each a libmicrohttpd daemon without a thread of its own),
 * a signal descriptor, and the delayed answers ordered by the told time at which they are due.
 * Told time = wall clock at start + time elapsed since + what POST /advance added.  Never included by the model. */
#ifndef CW_TESTS_AZURE_SERVER_H
#define CW_TESTS_AZURE_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <jansson.h>
#include <microhttpd.h>

#include "tests/azure/model.h"

#define SIM_STATES_MAX 32
#define SIM_BODY_BYTES_MAX (4u << 20)
#define SIM_DROPPED_BYTES_MAX (64u << 20) /* of a body beyond the limit; then the connection is cut */
#define SIM_ADMIN_BODY_BYTES_MAX (64u << 20)
#define SIM_HEADER_BYTES_MAX (64u << 10)
#define SIM_HEADERS_MAX 96
#define SIM_CONNECTIONS_MAX 4000
#define SIM_SNAPSHOTS_MAX 16
#define SIM_HANG_MS 600000 /* a request that a fault lets hang is cut after this */
#define SIM_TRICKLE_MS 100 /* between two pieces of a slow body */
#define SIM_TRICKLE_PIECES 20

enum sim_exit { SIM_EXIT_OK = 0, SIM_EXIT_FAILED = 1, SIM_EXIT_USAGE = 2, SIM_EXIT_STATE = 3 };

struct sim_options {
    int port;
    int admin_port; /* -1 = none */
    int idle_timeout_s;
    const char *bind;
    const char *cert_file, *key_file, *ca_out;
    const char *domain, *cloud;
    uint64_t seed;
    double time_scale;
    const char *states[SIM_STATES_MAX];
    size_t state_count;
    const char *faults_file, *ready_file, *log_file, *record_file;
    bool is_quiet;
};

/* Fill from argv. Answers -1 to go on, or the exit code (after printing help or the mistake). */
int sim_options_parse(int argc, char **argv, struct sim_options *ret_options);

/* ---- names and certificate -------------------------------------------------------------------------------------- */

struct sim_names {
    char arm_host[256], login_host[256], workspace_suffix[256], private_zone[256];
    char management_resource[256]; /* audience of the second Databricks token */
};

/* PEM texts, malloc'd. */
struct sim_certificate {
    char *ca, *chain, *key;
};

/* Make a CA and a leaf signed by it for all names that the server answers to. -1: OpenSSL refused. */
int sim_certificate_make(const struct sim_names *names, const char *bind,
                         struct sim_certificate *ret_certificate);
/* What is wrong with a chain and key that were given, with a remedy; NULL: nothing. */
const char *sim_certificate_problem(const struct sim_certificate *certificate);
void sim_certificate_fini(struct sim_certificate *certificate);

/* ---- the server --------------------------------------------------------------------------------------------------- */

struct sim_exchange;
struct sim;

/* Answer a complete request: fill exchange->res. */
typedef void (*sim_answer_fn)(struct sim *sim, struct sim_exchange *exchange);

/* What an epoll event belongs to. */
struct sim_watch {
    enum { SIM_WATCH_FRONT, SIM_WATCH_SIGNAL, SIM_WATCH_EXCHANGE } kind;
    void *of;
};

struct sim_front {
    struct sim *sim;
    struct MHD_Daemon *daemon; /* NULL = none */
    sim_answer_fn answer;
    size_t body_bytes_max;
    bool is_logged;
    struct sim_watch watch;
};

enum sim_phase { SIM_READING = 0, SIM_WAITING, SIM_ANSWERING };

/* One request with its answer, from request line to the end of the answer. */
struct sim_exchange {
    struct sim_front *front;
    struct MHD_Connection *connection;
    char *target;
    const char *method; /* of libmicrohttpd, lives as long as the request */
    char host[256];
    char *body;
    size_t body_bytes, body_room, dropped_bytes;
    bool is_too_large, is_cut;
    enum sim_phase phase;
    struct az_response res;
    size_t sent_bytes;
    int64_t started_ms, due_ms; /* told time */
    size_t heap_at;             /* place in sim.waiting + 1; 0 = not there */
    struct sim_watch watch;
};

struct sim {
    struct sim_options options;
    struct sim_names names;
    struct az_model_cfg model_cfg;
    struct az_model *model;
    int port, admin_port;
    char ca_file[4096];   /* "" = none was made */
    char ca_folder[4096]; /* "" or a temporary folder to remove */
    FILE *log, *record;
    int64_t told_base_ms, monotonic_base_ms;
    int epoll_fd, signal_fd;
    struct sim_watch signal_watch;
    struct sim_front https, admin;
    struct sim_exchange **waiting; /* heap by due_ms */
    size_t waiting_count, waiting_room;
    json_t *snapshots; /* array of state documents */
    uint64_t request_count;
    bool is_stopping;
};

int64_t sim_now(const struct sim *sim);

/* A fresh model without resources (NULL: out of memory). */
struct az_model *sim_model_new(const struct sim *sim);
/* Read a JSON file; NULL after saying on stderr what is wrong. Names of the default domain that stand in it become those of
 * --cloud or --domain, so that the shipped states fit each cloud. */
json_t *sim_read_json(const struct sim *sim, const char *path);
/* Add a rule, an array of them, or {"rules":[…]}. -1 with a text. */
int sim_add_faults(struct sim *sim, const json_t *rules, char *error, size_t error_bytes);

/* Listen on bind:port (0 = a free one). Answers the socket, or -1 after saying what failed. */
int sim_listen(const char *bind, int port, int *ret_port);
/* Serve a listening socket; certificate NULL = plain HTTP. -1 after saying what failed. */
int sim_front_start(struct sim_front *front, int listen_fd, const struct sim_certificate *certificate);
/* Events or time have come: let the daemon work. */
void sim_front_run(struct sim_front *front);
void sim_front_stop(struct sim_front *front);
/* Answers that are due by now go on. Milliseconds until the next, -1 = none waits. */
int64_t sim_exchanges_resume_due(struct sim *sim);
void sim_exchanges_resume_all(struct sim *sim);
/* Go on with one that waits; it was cut when its client went away. */
void sim_exchange_resume(struct sim_exchange *exchange, bool is_cut);

/* Request header by name, or NULL; query parameter (decoded) of an admin request, or NULL. */
const char *sim_exchange_query(const struct sim_exchange *exchange, const char *name);

/* Write the exchange to --record, if there is one. */
void sim_record_exchange(const struct sim_exchange *exchange);

void sim_answer_azure(struct sim *sim, struct sim_exchange *exchange);
void sim_answer_admin(struct sim *sim, struct sim_exchange *exchange);

#endif
