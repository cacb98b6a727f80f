/* tests/model/protocol.pml: the protocol that keeps a request's promise, small enough to be searched exhaustively (Spin).
 *
 * Two workers, one or two requests of one workspace, each in a partition of its own (that is two lanes). A job is a worker's life
 * with one request. A worker that stands still is one that is not scheduled: meanwhile its lease ends, its partition moves, and then
 * it goes on where it was. What may go wrong is a budget (CRASHES, STALLS, MOVES, LOSSES of everything, FAILOVERS that forget the lock,
 * LATES): when it is spent, the nemesis stops.
 *
 * Workers are alike, so the first request goes to the first of them. Epochs only grow: so it is enough to know whose value the lock has,
 * and who was given the lock last.
 *
 * Safety (assertions):
 *   fence     no write to the journal takes effect once a newer owner has the lock
 *   writer    no write to Azure begins once a newer owner has the lock, also when Redis loses everything; the one exception: until its own
 *             lease ends or its renewal is refused, the holder of a lock that a failover forgot which no replica had to confirm
 *             (STRICT_WRITER takes the exception away, and fails: a known limit)
 *   unrun     a verdict without the lock is made only of a request that changed nothing, whatever Redis forgot
 *   again     no step that the journal knows as done runs again
 *   once      a request that was answered before Redis forgot its verdict, alone or with everything, does not begin again
 *   verdict   all copies of a verdict are equal, whatever Redis forgot; two known limits, which fail: UNCONFIRMED (a failover forgets the
 *             verdict, too; COPIES_DIFFER takes this assertion away) and SLOW_SEND (a worker may stand still between seeing that Redis holds the verdict and handing it over)
 *   commit    no commit before the verdict is acknowledged, hence no lost request
 * Progress (LTL, weak fairness): every request is answered and committed.
 *
 * Assumptions: Redis does not expire a lock before its holder's own lease is over (the holder counts from before it asked, and a
 * margin covers a write that was begun); a script is atomic; a commit of a partition's former owner is refused; a record is handed over
 * as soon as Redis was seen to hold it, and who waits after a loss of everything waits until what was handed over before has arrived.
 *
 * What stands for what (tests/model/run checks that the functions exist):
 *   DELIVER   worker/engine/intake.c:on_message
 *   ACCEPT    worker/engine/leg_light.c:cw_leg_accept  worker/engine/journal.c:cw_journal_accept
 *   LOCK      worker/engine/lock.c:try_once
 *   LOOK_BACK worker/engine/lock.c:look_back  worker/engine/durable.c:cw_durable_look
 *   GRANT     worker/engine/lock.c:try_once
 *   SETTLE    worker/engine/leg_light.c:store_unrun  worker/engine/forgotten.c:cw_job_look_back  worker/engine/journal.c:cw_journal_verdict
 *   CLAIM     worker/engine/leg_run.c:load_journal  worker/engine/journal.c:cw_journal_claim
 *   RECALL    worker/engine/recollect.c:cw_job_recall  worker/engine/recollect.c:adopt  worker/engine/journal.c:cw_journal_recalled
 *   BEGIN     worker/engine/execute.c:write_begin  worker/engine/journal.c:cw_journal_write
 *   AZURE     worker/engine/hooks.c:before_write  worker/engine/lock.c:cw_lease_check
 *   DONE      worker/engine/execute.c:write_done  worker/engine/journal.c:cw_journal_write
 *   VERDICT   worker/engine/leg_end.c:store_verdict  worker/engine/journal.c:cw_journal_verdict
 *   WAIT      worker/engine/recollect.c:late_ms  worker/engine/recollect.c:let_pass  worker/engine/journal.c:cw_journal_age
 *   ASK_TOPIC worker/engine/recollect.c:cw_job_before_sending  worker/engine/recall.c:cw_recall_find
 *   PUBLISH   worker/engine/recollect.c:confirm  worker/engine/journal.c:cw_journal_holds
 *   HAND_OVER worker/engine/publish.c:cw_publish_verdict  common/net/kafka_out.c:hand_over
 *   SENT      common/net/kafka_out.c:cw_kafka_send
 *   MARK      worker/engine/leg_end.c:cw_leg_finish  worker/engine/journal.c:cw_journal_published
 *   END       worker/engine/runner.c:end_job  worker/engine/intake.c:cw_intake_origin_done
 *   COMMIT    worker/engine/intake.c:commit  worker/engine/window.c:cw_window_base
 *   LOST      worker/engine/lock.c:renewed  worker/engine/lock.c:lose  worker/engine/hooks.c:on_lock_lost
 *   AGAIN     worker/engine/leg_light.c:cw_leg_pause  worker/engine/runner.c:give_lease
 *   PARK      worker/engine/runner.c:cw_runner_revoke  worker/engine/intake.c:on_revoked
 *   ASSIGN    worker/engine/intake.c:on_assigned
 *
 * Deliberate bugs, each of which must be found:
 *   NO_EPOCH          the journal does not compare the lock's value
 *   NO_LEASE_CHECK    writes to Azure after the own lease's end
 *   EXPIRE_EARLY      Redis forgets a lock that its holder believes in
 *   NO_AGE            a forgotten lock is given at once
 *   AGE_ONCE          what Redis forgets after it was asked for its age does not count
 *   SETTLE_FORGOTTEN  what Redis does not know was never run
 *   OVERWRITE         a verdict replaces the stored one
 *   NO_RECALL         the results topic is not asked before a request begins
 *   RECALL_ONCE       it is asked at the first claim only
 *   NO_TOPIC          it is not asked before a verdict is sent
 *   NO_WAIT           it is asked at once after Redis forgot everything
 *   NO_CONFIRM        a verdict is sent that Redis may have forgotten
 *   MARK_ANY          whatever verdict is stored counts as sent, when one was
 *   COMMIT_EARLY      the offset is committed when the request is taken */

#ifndef REQUESTS
#define REQUESTS 1
#endif
#ifndef CRASHES
#define CRASHES 1
#endif
#ifndef STALLS
#define STALLS 1
#endif
#ifndef MOVES
#define MOVES 1
#endif
#ifndef LOSSES
#define LOSSES 1
#endif
#ifndef FAILOVERS
#define FAILOVERS 1
#endif
#ifndef LATES
#define LATES 1
#endif

#define WORKERS 2
#define JOBS (WORKERS * REQUESTS)
#define NOBODY WORKERS
#define ME (j + 1)
#define DEAD (JOBS + 1)

/* Where a job is. */
#define IDLE 0
#define ACCEPT 1
#define LOCK 2
#define LOOK_BACK 3
#define GRANT 4
#define CLAIM 5
#define BEGIN 6
#define AZURE 7
#define DONE 8
#define VERDICT 9
#define WAIT 10
#define ASK_TOPIC 11
#define PUBLISH 12
#define HAND_OVER 13
#define SENT 14
#define MARK 15
#define END 16
#define COMMIT 17

/* Workers: what a crash takes away. */
bit up[WORKERS] = 1;
byte pc[JOBS];
bit leased[JOBS];    /* it was given the lock */
bit alive[JOBS];     /* the own clock says that the lease has not ended */
byte kept[JOBS];     /* the verdict to send */
bit must_run[JOBS];  /* it can't be settled without the lock */
byte saw[JOBS];      /* `fresh`, when it asked for the age of Redis; 0 = it has not */

/* Redis: what a loss takes away. */
byte lock;           /* the holder, as ME; DEAD = one that has crashed since; 0 = free */
bit knows = 1;       /* the key of the epoch exists */
byte fresh;          /* nobody knows who held the lock before; which time this was; 0 = not so */
bit young;           /* it remembers for less than a lease */
bit claimed[REQUESTS];
bit is_done[REQUESTS];
byte verdict[REQUESTS];
bit published[REQUESTS];

/* Kafka. */
byte owner[REQUESTS] = NOBODY;
bit committed[REQUESTS];
byte answer[REQUESTS]; /* the verdict that arrived first; 0 = none */
byte flight[JOBS];     /* one that was handed over and has not arrived; 0 = none */
bit acked[REQUESTS];

/* The clock. */
byte newest;         /* who was given the lock last, as ME: the highest epoch */
bit late[REQUESTS];  /* the request's deadline has passed */
byte forgets;        /* how often Redis has lost everything: the requests are older */
bit is_old[JOBS];    /* the flight began before Redis lost everything */

/* What only the checks see. */
bit forgot_lock[JOBS];
bit forgot_done[REQUESTS];
bit was_out[REQUESTS]; /* when Redis forgot its verdict */
bit was_done[REQUESTS];
bit touched[REQUESTS]; /* something was changed */
byte made[REQUESTS]; /* verdicts that were ever made: each has another text */

#ifdef NO_EPOCH
#define FENCED false
#else
#define FENCED (lock != ME)
#endif

#ifdef STRICT_WRITER
#define MAY_OVERLAP false
#else
#define MAY_OVERLAP forgot_lock[j]
#endif

#ifdef NO_AGE
#define IS_VETTED true
#else
#ifdef AGE_ONCE
#define IS_VETTED (fresh == 0 || saw[j] != 0)
#else
#define IS_VETTED (fresh == 0 || fresh == saw[j])
#endif
#endif

#ifdef SETTLE_FORGOTTEN
#define IS_REMEMBERED true
#else
#define IS_REMEMBERED (forgets == 0)
#endif

#ifdef NO_RECALL
#define IS_RECALLED false
#else
#define IS_RECALLED (answer[r] != 0)
#endif

#ifdef RECALL_ONCE
#define IS_CLAIM_RECALLED (!claimed[r] && IS_RECALLED)
#else
#define IS_CLAIM_RECALLED IS_RECALLED
#endif

#ifdef NO_TOPIC
#define IS_OUT false
#else
#define IS_OUT (answer[r] != 0)
#endif

#ifdef NO_WAIT
#define HAS_WAITED true
#else
#define HAS_WAITED (!is_old[r] && !is_old[REQUESTS + r])
#endif

#ifdef NO_CONFIRM
#define IS_CONFIRMED true
#else
#define IS_CONFIRMED (verdict[r] == kept[j])
#endif

#ifdef MARK_ANY
#define IS_SENT (verdict[r] != 0)
#else
#define IS_SENT (verdict[r] == kept[j])
#endif

#define HOLDS(k) (alive[k] && lock == k + 1)
#if REQUESTS > 1
#define IS_HELD (HOLDS(0) || HOLDS(1) || HOLDS(2) || HOLDS(3))
#define IS_BELIEVED (alive[0] || alive[1] || alive[2] || alive[3])
#else
#define IS_HELD (HOLDS(0) || HOLDS(1))
#define IS_BELIEVED (alive[0] || alive[1])
#endif

#ifdef NO_LEASE_CHECK
#define MAY_WRITE true
#else
#define MAY_WRITE alive[j]
#endif

inline give_lease()
{
    if
    :: leased[j] && lock == ME -> lock = 0
    :: else
    fi;
    leased[j] = 0;
    alive[j] = 0;
    saw[j] = 0;
    forgot_lock[j] = 0
}

inline again()
{
    give_lease();
    kept[j] = 0;
    pc[j] = LOCK
}

inline park(next)
{
    give_lease();
    kept[j] = 0;
    must_run[j] = 0;
    pc[j] = next
}

inline hand_over()
{
    flight[j] = kept[j];
    is_old[j] = 0;
    pc[j] = SENT
}

inline make_verdict()
{
    made[r]++;
    verdict[r] = made[r];
    published[r] = 0;
    kept[j] = made[r];
    pc[j] = WAIT
}

inline send_stored()
{
    kept[j] = verdict[r];
    pc[j] = WAIT
}

inline repeat_stored()
{
    send_stored();
    if
    :: published[r] -> hand_over()
    :: else
    fi
}

/* What is out is what counts, and another copy of it may follow. */
inline adopt()
{
    verdict[r] = answer[r];
    kept[j] = answer[r];
    hand_over()
}

inline accept()
{
    if
    :: verdict[r] != 0 -> repeat_stored()
    :: verdict[r] == 0 && !claimed[r] && IS_RECALLED -> adopt()
    :: else -> pc[j] = LOCK
    fi
}

/* The epoch is missing: whoever asks says so. */
inline ask_for_lock()
{
    if
    :: !knows ->
        knows = 1;
        fresh = forgets
    :: else
    fi;
    if
    :: !IS_VETTED ->
        saw[j] = fresh;
        pc[j] = LOOK_BACK
    :: else -> take_lock()
    fi
}

inline take_lock()
{
    fresh = 0;
    saw[j] = 0;
    newest = ME;
    lock = ME;
    leased[j] = 1;
    alive[j] = 1;
    pc[j] = CLAIM
}

inline claim()
{
    if
    :: FENCED -> again()
    :: else ->
        assert(newest == ME); /* fence */
        must_run[j] = 1;
        if
        :: verdict[r] != 0 -> repeat_stored()
        :: verdict[r] == 0 && IS_CLAIM_RECALLED -> adopt()
        :: verdict[r] == 0 && !IS_CLAIM_RECALLED && is_done[r] -> pc[j] = VERDICT
        :: else ->
            assert(!was_out[r]); /* once */
            pc[j] = BEGIN
        fi;
        claimed[r] = 1
    fi
}

inline write_journal(next)
{
    if
    :: FENCED -> again()
    :: else ->
        assert(newest == ME); /* fence */
        pc[j] = next
    fi
}

inline change_azure()
{
    if
    :: MAY_WRITE ->
        assert(newest == ME || MAY_OVERLAP); /* writer */
        assert(!was_done[r] || forgot_done[r] || forgot_lock[j]); /* again */
        touched[r] = 1;
        pc[j] = DONE
    :: else -> again()
    fi
}

inline store_verdict()
{
#ifndef OVERWRITE
    if
    :: verdict[r] != 0 -> send_stored()
    :: verdict[r] == 0 && FENCED -> again()
    :: else ->
        assert(newest == ME); /* fence */
        make_verdict()
    fi
#else
    make_verdict()
#endif
}

inline settle()
{
    if
    :: verdict[r] != 0 -> send_stored()
    :: verdict[r] == 0 && (claimed[r] || !IS_REMEMBERED) -> must_run[j] = 1
    :: else ->
        assert(!touched[r]); /* unrun */
        make_verdict()
    fi
}

inline ask_topic()
{
    if
    :: IS_OUT -> adopt()
    :: else -> pc[j] = PUBLISH
    fi
}

inline publish()
{
    if
#ifdef SLOW_SEND
    :: IS_CONFIRMED -> pc[j] = HAND_OVER
#else
    :: IS_CONFIRMED -> hand_over()
#endif
    :: else -> again()
    fi
}

inline arrive()
{
#ifndef COPIES_DIFFER
    assert(answer[r] == 0 || answer[r] == flight[j]); /* verdict */
#endif
    if
    :: answer[r] == 0 -> answer[r] = flight[j]
    :: else
    fi;
    flight[j] = 0;
    is_old[j] = 0
}

inline mark()
{
    if
    :: IS_SENT ->
        is_done[r] = 0;
        published[r] = 1
    :: else
    fi;
    pc[j] = END
}

inline commit()
{
    assert(acked[r]); /* commit */
    committed[r] = 1
}

proctype Job(byte w; byte r)
{
    byte j = w * REQUESTS + r;
end:
    do
    :: d_step { pc[j] == IDLE && up[w] && owner[r] == w && !committed[r] ->
            pc[j] = ACCEPT;
#ifdef COMMIT_EARLY
            commit()
#endif
        }
    :: d_step { pc[j] == ACCEPT -> accept() }
    :: d_step { pc[j] == LOCK && lock == 0 -> ask_for_lock() }
    :: d_step { pc[j] == LOOK_BACK && !young -> pc[j] = GRANT }
    :: d_step { pc[j] == LOOK_BACK && young ->
            saw[j] = 0;
            pc[j] = LOCK
        }
    :: d_step { pc[j] == GRANT ->
            if
            :: lock == 0 -> ask_for_lock()
            :: else ->
                saw[j] = 0;
                pc[j] = LOCK
            fi
        }
    :: d_step { pc[j] == LOCK && late[r] && !must_run[j] -> settle() }
    :: d_step { pc[j] == CLAIM -> claim() }
    :: d_step { pc[j] == BEGIN -> write_journal(AZURE) }
    :: d_step { pc[j] == AZURE -> change_azure() }
    :: d_step { pc[j] == DONE ->
            write_journal(VERDICT);
            if
            :: pc[j] == VERDICT ->
                is_done[r] = 1;
                was_done[r] = 1
            :: else
            fi
        }
    :: d_step { pc[j] == VERDICT -> store_verdict() }
    :: d_step { pc[j] == WAIT && HAS_WAITED -> pc[j] = ASK_TOPIC }
    :: d_step { pc[j] == ASK_TOPIC -> ask_topic() }
    :: d_step { pc[j] == PUBLISH -> publish() }
#ifdef SLOW_SEND
    :: d_step { pc[j] == HAND_OVER -> hand_over() }
#endif
    :: d_step { flight[j] != 0 -> arrive() }
    :: d_step { flight[j] != 0 && pc[j] != SENT ->
            flight[j] = 0;
            is_old[j] = 0
        }
    :: d_step { pc[j] == SENT && flight[j] == 0 ->
            acked[r] = 1;
            pc[j] = MARK
        }
    :: d_step { pc[j] == MARK -> mark() }
    :: d_step { pc[j] == END -> park(COMMIT) }
    :: d_step { pc[j] == COMMIT ->
            if
            :: owner[r] == w && !committed[r] -> commit()
            :: else
            fi;
            pc[j] = IDLE
        }
    /* LOST: the renewal is refused, or the own clock says so; whatever leg it is in stops. */
    :: d_step { leased[j] && pc[j] < END && (lock != ME || !alive[j]) -> again() }
    /* PARK: the partition is no longer ours. */
    :: d_step { pc[j] != IDLE && pc[j] < END && owner[r] != w -> park(IDLE) }
    od
}

/* What time brings: a lock expires, a worker is started again. */
proctype Clock()
{
end:
    do
    :: d_step { lock != 0 && !IS_HELD -> lock = 0 }
    :: d_step { young && !IS_BELIEVED -> young = 0 }
    :: d_step { !up[0] -> up[0] = 1 }
    :: d_step { !up[1] -> up[1] = 1 }
    od
}

/* The consumer group: a partition without an owner is assigned to a worker. */
proctype Group(byte r)
{
end:
    do
    :: d_step { owner[r] == NOBODY && up[0] -> owner[r] = 0 }
    :: d_step { owner[r] == NOBODY && up[1] -> owner[r] = 1 }
    od
}

/* What it handed over may still arrive. */
inline crash_job(n)
{
    if
    :: lock == n + 1 -> lock = DEAD
    :: else
    fi;
    pc[n] = IDLE;
    leased[n] = 0;
    alive[n] = 0;
    kept[n] = 0;
    must_run[n] = 0;
    saw[n] = 0;
    forgot_lock[n] = 0
}

inline crash(w)
{
    up[w] = 0;
    k = 0;
    do
    :: k < REQUESTS ->
        crash_job(w * REQUESTS + k);
        if
        :: owner[k] == w -> owner[k] = NOBODY
        :: else
        fi;
        k++
    :: else -> break
    od;
    k = 0
}

inline fail_over()
{
    k = 0;
    do
    :: k < JOBS ->
        if
        :: HOLDS(k) -> forgot_lock[k] = 1
        :: else
        fi;
        k++
    :: else -> break
    od;
    k = 0;
#ifdef UNCONFIRMED
    forget_verdicts();
#endif
    lock = 0
}

inline forget_verdicts()
{
    do
    :: k < REQUESTS ->
        was_out[k] = was_out[k] || answer[k] != 0;
        verdict[k] = 0;
        published[k] = 0;
        k++
    :: else -> break
    od;
    k = 0
}

inline forget_all()
{
    lock = 0;
    knows = 0;
    fresh = 0;
    young = 1;
    forgets++;
    k = 0;
    do
    :: k < REQUESTS ->
        if
        :: is_done[k] || verdict[k] != 0 -> forgot_done[k] = 1
        :: else
        fi;
        is_done[k] = 0;
        claimed[k] = 0;
        k++
    :: else -> break
    od;
    k = 0;
    do
    :: k < JOBS ->
        is_old[k] = flight[k] != 0;
        k++
    :: else -> break
    od;
    k = 0;
    forget_verdicts()
}

proctype Nemesis()
{
    byte crashes = CRASHES, stalls = STALLS, moves = MOVES, losses = LOSSES, failovers = FAILOVERS, lates = LATES;
    byte k;
end:
    do
    :: d_step { crashes > 0 && up[0] -> crashes--; crash(0) }
    :: d_step { crashes > 0 && up[1] -> crashes--; crash(1) }
    :: d_step { losses > 0 -> losses--; forget_all() }
    :: d_step { failovers > 0 && lock != 0 -> failovers--; fail_over() }
    :: d_step { stalls > 0 && alive[0] -> stalls--; alive[0] = 0; forgot_lock[0] = 0 }
    :: d_step { stalls > 0 && alive[1] -> stalls--; alive[1] = 0; forgot_lock[1] = 0 }
    :: d_step { moves > 0 && owner[0] != NOBODY -> moves--; owner[0] = NOBODY }
    :: d_step { lates > 0 && !late[0] -> lates--; late[0] = 1 }
#if REQUESTS > 1
    :: d_step { stalls > 0 && alive[2] -> stalls--; alive[2] = 0; forgot_lock[2] = 0 }
    :: d_step { stalls > 0 && alive[3] -> stalls--; alive[3] = 0; forgot_lock[3] = 0 }
    :: d_step { moves > 0 && owner[1] != NOBODY -> moves--; owner[1] = NOBODY }
    :: d_step { lates > 0 && !late[1] -> lates--; late[1] = 1 }
#endif
#ifdef EXPIRE_EARLY
    :: d_step { lock != 0 -> lock = 0 }
#endif
    od
}

init
{
    atomic {
        owner[0] = 0;
        run Job(0, 0);
        run Job(1, 0);
        run Group(0);
#if REQUESTS > 1
        run Job(0, 1);
        run Job(1, 1);
        run Group(1);
#endif
        run Clock();
        run Nemesis()
    }
}

#if REQUESTS > 1
ltl served { <> (acked[0] && committed[0] && acked[1] && committed[1]) }
#else
ltl served { <> (acked[0] && committed[0]) }
#endif
