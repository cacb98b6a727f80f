"""databricks-sdk with an Azure service principal: clusters, pools, warehouses, jobs, commands, statements, settings."""
import sys
import time
from datetime import timedelta

from databricks.sdk.errors import BadRequest, DatabricksError, InvalidParameterValue, NotFound, PermissionDenied, ResourceDoesNotExist
from databricks.sdk.service import compute, jobs, settings, sql
from common import CLIENT, fails, run, until

SOON = timedelta(seconds=60)
STATE = [
    "existing.json",
    {"workspaces": [{"name": "closed-ws", "resourceGroup": "rg-closed", "addressSpace": "10.60.0.0/16", "workspaceId": "4000000000000777",
                     "publicNetworkAccess": "Disabled"}],
     "databricks": {"workspaces": {"existing-ws": {"jobs": [{"job_id": 11, "settings": {"name": "nightly", "schedule": {
         "quartz_cron_expression": "0 0 2 * * ?", "timezone_id": "UTC", "pause_status": "UNPAUSED"}}}],
         "runs": [{"run_id": 5, "job_id": 11, "state": {"life_cycle_state": "RUNNING"}, "cluster_instance": {"cluster_id": "1101-080000-etl00001"}}]}}}},
]
_made = {}


def w():
    if "client" not in _made:
        _made["client"] = sim.workspace_client(estate.databricks.workspaces.get("rg-existing", "existing-ws"), retry_timeout_seconds=30)
    return _made["client"]


def cluster():
    """A single-node cluster that runs, made once."""
    if "cluster" not in _made:
        version = w().clusters.select_spark_version(long_term_support=True)
        node = w().clusters.select_node_type(local_disk=True)
        _made["cluster"] = w().clusters.create(
            version, cluster_name="sdk-one", node_type_id=node, num_workers=0, autotermination_minutes=2000,
            spark_conf={"spark.databricks.cluster.profile": "singleNode", "spark.master": "local[*]"},
            custom_tags={"ResourceClass": "SingleNode"}, data_security_mode=compute.DataSecurityMode.SINGLE_USER,
            single_user_name=CLIENT).result(timeout=SOON)
    return _made["cluster"]


def test_who_am_i():
    me = w().current_user.me()
    assert me.user_name == CLIENT and me.active


def test_workspace_id():
    assert w().get_workspace_id() == 4000000000000102


def test_unknown_principal():
    stranger = sim.workspace_client(estate.databricks.workspaces.get("rg-existing", "existing-ws"), azure_client_secret="wrong")
    problem = fails(Exception, None, stranger.current_user.me)
    assert "AADSTS7000215" in str(problem), problem


def test_choices():
    versions = w().clusters.spark_versions().versions
    assert any("LTS" in v.name for v in versions) and w().clusters.select_spark_version(latest=True)
    nodes = w().clusters.list_node_types().node_types
    assert any(n.node_type_id.startswith("Standard_") and n.num_cores for n in nodes)
    assert w().clusters.list_zones() is not None


def test_cluster_starts():
    c = cluster()
    assert c.state == compute.State.RUNNING and c.driver.private_ip and c.spark_context_id and c.cluster_source is not None
    assert c.default_tags["ClusterId"] == c.cluster_id and c.custom_tags == {"ResourceClass": "SingleNode"}
    assert w().clusters.get(c.cluster_id).cluster_name == "sdk-one"


def test_cluster_list():
    c = cluster()
    everything = {x.cluster_id: x for x in w().clusters.list()}
    assert c.cluster_id in everything and "1101-080000-old00001" in everything
    running = list(w().clusters.list(filter_by=compute.ListClustersFilterBy(cluster_states=[compute.State.RUNNING])))
    assert c.cluster_id in [x.cluster_id for x in running] and all(x.state == compute.State.RUNNING for x in running)
    assert sorted(x.cluster_id for x in w().clusters.list(page_size=1)) == sorted(everything)


def test_cluster_events():
    kinds = [e.type.value for e in w().clusters.events(cluster().cluster_id, limit=2)]
    assert "CREATING" in kinds and "RUNNING" in kinds, kinds
    ascending = list(w().clusters.events(cluster().cluster_id, order=compute.GetEventsOrder.ASC))
    assert ascending[0].type.value == "CREATING" and ascending[0].timestamp <= ascending[-1].timestamp


def test_idempotency_token():
    body = {"cluster_name": "twice", "spark_version": cluster().spark_version, "node_type_id": cluster().node_type_id, "num_workers": 1,
            "autotermination_minutes": 2000, "idempotency_token": "token-1"}
    ids = {w().api_client.do("POST", "/api/2.1/clusters/create", body=body)["cluster_id"] for _ in range(3)}
    assert len(ids) == 1, ids
    w().clusters.permanent_delete(ids.pop())


def test_cluster_stops_starts_and_goes():
    c = w().clusters.create(cluster().spark_version, cluster_name="short", node_type_id=cluster().node_type_id, num_workers=1,
                            autotermination_minutes=2000).result(timeout=SOON)
    assert w().clusters.delete_and_wait(c.cluster_id, timeout=SOON).state == compute.State.TERMINATED
    w().clusters.delete(c.cluster_id)
    assert w().clusters.get(c.cluster_id).termination_reason.code == compute.TerminationReasonCode.USER_REQUEST
    assert w().clusters.start_and_wait(c.cluster_id, timeout=SOON).state == compute.State.RUNNING
    w().clusters.ensure_cluster_is_running(c.cluster_id)
    assert w().clusters.restart_and_wait(c.cluster_id, timeout=SOON).state == compute.State.RUNNING
    assert w().clusters.resize_and_wait(c.cluster_id, num_workers=2, timeout=SOON).num_workers == 2
    assert w().clusters.edit_and_wait(c.cluster_id, c.spark_version, cluster_name="longer", node_type_id=c.node_type_id, num_workers=1,
                                      timeout=SOON).cluster_name == "longer"
    w().clusters.pin(c.cluster_id)
    problem = fails(DatabricksError, None, w().clusters.permanent_delete, c.cluster_id)
    assert "unpin the cluster first" in str(problem), problem
    w().clusters.unpin(c.cluster_id)
    w().clusters.permanent_delete(c.cluster_id)
    fails(ResourceDoesNotExist, "INVALID_PARAMETER_VALUE", w().clusters.get, c.cluster_id)


def test_cluster_refusals():
    fails(ResourceDoesNotExist, "INVALID_PARAMETER_VALUE", w().clusters.get, "1101-000000-none0000")
    fails(InvalidParameterValue, "INVALID_PARAMETER_VALUE", w().clusters.create, "9.9.x-none", node_type_id=cluster().node_type_id, num_workers=1)
    fails(InvalidParameterValue, "INVALID_PARAMETER_VALUE", w().clusters.create, cluster().spark_version, node_type_id="Standard_None", num_workers=1)
    fails(BadRequest, None, w().clusters.create, cluster().spark_version, node_type_id=cluster().node_type_id, num_workers=1, autotermination_minutes=5)


def test_unknown_path():
    problem = fails(NotFound, "ENDPOINT_NOT_FOUND", w().api_client.do, "GET", "/api/2.0/no-such-thing")
    assert "No API found" in str(problem)


def test_commands():
    running = cluster().cluster_id
    context = w().command_execution.create_and_wait(cluster_id=running, language=compute.Language.PYTHON, timeout=SOON)
    answer = w().command_execution.execute_and_wait(cluster_id=running, context_id=context.id, language=compute.Language.PYTHON,
                                                    command="print(1 + 1)", timeout=SOON)
    assert answer.status == compute.CommandStatus.FINISHED and answer.results.result_type in (compute.ResultType.TEXT, compute.ResultType.ERROR)
    assert w().command_execution.context_status(running, context.id).status == compute.ContextStatus.RUNNING
    w().command_execution.destroy(running, context.id)
    fails(DatabricksError, None, w().command_execution.context_status, running, context.id)


def test_command_is_cancelled():
    running = cluster().cluster_id
    context = w().command_execution.create_and_wait(cluster_id=running, language=compute.Language.PYTHON, timeout=SOON)
    command = w().command_execution.execute(cluster_id=running, context_id=context.id, language=compute.Language.PYTHON, command="pass")
    w().command_execution.cancel(cluster_id=running, command_id=command.command_id, context_id=context.id)
    until("cancelled or finished", lambda: w().command_execution.command_status(running, context.id, command.command_id).status in (
        compute.CommandStatus.CANCELLED, compute.CommandStatus.FINISHED), 20)


def test_command_on_a_stopped_cluster():
    # The SDK takes ClusterNotReadyException for a passing trouble, and waits.
    hasty = sim.workspace_client(estate.databricks.workspaces.get("rg-existing", "existing-ws"), retry_timeout_seconds=2)
    problem = fails(TimeoutError, None, hasty.command_execution.create, cluster_id="1101-080000-old00001", language=compute.Language.PYTHON)
    assert "ClusterNotReadyException" in str(problem.__cause__), problem.__cause__


def test_pools():
    pool = w().instance_pools.create("pool", cluster().node_type_id, min_idle_instances=1, idle_instance_autotermination_minutes=30)
    got = w().instance_pools.get(pool.instance_pool_id)
    assert got.instance_pool_name == "pool" and got.state == compute.InstancePoolState.ACTIVE
    until("one idle instance", lambda: (w().instance_pools.get(pool.instance_pool_id).stats.idle_count or 0) == 1, 30)
    w().instance_pools.edit(pool.instance_pool_id, "pool", cluster().node_type_id, min_idle_instances=0, idle_instance_autotermination_minutes=0)
    until("no instance", lambda: not w().instance_pools.get(pool.instance_pool_id).stats.idle_count, 30)
    assert pool.instance_pool_id in [p.instance_pool_id for p in w().instance_pools.list()]
    w().instance_pools.delete(pool.instance_pool_id)
    fails(DatabricksError, None, w().instance_pools.get, pool.instance_pool_id)


def test_warehouses():
    listed = {x.name: x for x in w().warehouses.list()}
    assert listed["bi"].state == sql.State.RUNNING and listed["reports"].state == sql.State.STOPPED
    assert w().warehouses.stop_and_wait(listed["bi"].id, timeout=SOON).state == sql.State.STOPPED
    assert w().warehouses.start_and_wait(listed["bi"].id, timeout=SOON).state == sql.State.RUNNING
    made = w().warehouses.create_and_wait(name="new", cluster_size="2X-Small", max_num_clusters=1, auto_stop_mins=10,
                                          warehouse_type=sql.CreateWarehouseRequestWarehouseType.PRO, timeout=SOON)
    assert w().warehouses.get(made.id).odbc_params.path == f"/sql/1.0/warehouses/{made.id}"
    w().warehouses.delete(made.id)
    fails(NotFound, None, w().warehouses.get, "0000000000000000")


def test_statements():
    bi = next(x for x in w().warehouses.list() if x.name == "bi")
    done = w().statement_execution.execute_statement("SELECT 1", bi.id, wait_timeout="30s")
    if done.status.state in (sql.StatementState.PENDING, sql.StatementState.RUNNING):
        done = until("the statement ends", lambda: (lambda s: s if s.status.state == sql.StatementState.SUCCEEDED else None)(
            w().statement_execution.get_statement(done.statement_id)), 30)
    assert done.status.state == sql.StatementState.SUCCEEDED and done.result.data_array == [["1"]], done
    w().statement_execution.cancel_execution(done.statement_id)
    fails(NotFound, None, w().statement_execution.get_statement, "00000000-0000-0000-0000-000000000000")


def test_jobs():
    assert [j.job_id for j in w().jobs.list()] == [11]
    job = w().jobs.get(11)
    assert job.settings.name == "nightly" and job.settings.schedule.pause_status == jobs.PauseStatus.UNPAUSED
    paused = jobs.CronSchedule(quartz_cron_expression="0 0 2 * * ?", timezone_id="UTC", pause_status=jobs.PauseStatus.PAUSED)
    w().jobs.update(11, new_settings=jobs.JobSettings(schedule=paused))
    assert w().jobs.get(11).settings.schedule.pause_status == jobs.PauseStatus.PAUSED
    fails(ResourceDoesNotExist, "INVALID_PARAMETER_VALUE", w().jobs.get, 99)


def test_job_runs():
    active = list(w().jobs.list_runs(active_only=True, expand_tasks=True))
    assert [r.run_id for r in active] == [5] and active[0].state.life_cycle_state == jobs.RunLifeCycleState.RUNNING
    ended = w().jobs.cancel_run_and_wait(5, timeout=SOON)
    assert ended.state.life_cycle_state == jobs.RunLifeCycleState.TERMINATED and ended.state.result_state == jobs.RunResultState.CANCELED
    assert list(w().jobs.list_runs(active_only=True)) == []
    w().jobs.cancel_all_runs(job_id=11)


def test_other_compute():
    assert list(w().pipelines.list_pipelines()) == []
    assert list(w().serving_endpoints.list()) == [] and list(w().apps.list()) == []
    assert [p.name for p in w().cluster_policies.list()] is not None
    assert list(w().global_init_scripts.list()) == []


def test_workspace_conf():
    w().workspace_conf.set_status({"enableIpAccessLists": "false"})
    assert w().workspace_conf.get_status(keys="enableIpAccessLists") == {"enableIpAccessLists": "false"}


def test_zy_ip_access_lists():
    made = w().ip_access_lists.create("office", settings.ListType.ALLOW, ip_addresses=["203.0.113.0/24"]).ip_access_list
    assert made.enabled and w().ip_access_lists.get(made.list_id).ip_access_list.label == "office"
    assert [x.label for x in w().ip_access_lists.list()] == ["office"]
    w().ip_access_lists.delete(made.list_id)
    assert list(w().ip_access_lists.list()) == []


def test_closed_workspace():
    closed = estate.databricks.workspaces.get("rg-closed", "closed-ws")
    client = sim.workspace_client(closed)
    problem = fails(PermissionDenied, None, client.clusters.start, "x")
    assert "Unauthorized network access to workspace" in str(problem), problem
    problem = fails(DatabricksError, None, lambda: list(client.clusters.list()))
    assert problem.error_code == "PRIVATE_LINK_VALIDATION_ERROR", (problem.error_code, problem)


def test_zz_token_expires():
    assert w().current_user.me()
    sim.advance(25 * 3600)
    fails(DatabricksError, None, w().current_user.me)


if __name__ == "__main__":
    sys.exit(run(sys.modules[__name__], state=STATE, scale=240))
