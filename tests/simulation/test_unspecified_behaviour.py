"""Single scenarios in which NetBird behaves in a way that no public source promises or excludes."""

from dataclasses import replace
from typing import Any

import pytest

from netbird_streaming.api.status import Origin
from netbird_streaming.api.types import (
    CONFIRM_ANNOTATION,
    RECONCILE_ANNOTATION,
    S3,
    Access,
    Adoption,
    AdoptionPolicy,
    ClusterConnectionSpec,
    ClusterNetBirdConnection,
    ConnectionKind,
    ConnectionReference,
    DriftPolicy,
    GenericHTTP,
    Header,
    KeyReference,
    ObjectKey,
    Platform,
)
from netbird_streaming.core.status.events import EventReason
from netbird_streaming.reasons import Reason
from tests.doubles.netbird.behaviour import Form, HeaderMask
from tests.doubles.netbird.records import Draft
from tests.simulation.random_faults import RequestFault
from tests.simulation.scene import HONEST, Scene
from tests.simulation.world import OPERATOR, TEAM

CONNECTION = ObjectKey(ConnectionKind.NAMESPACED.value, TEAM, "main")
ELSEWHERE = Draft("datadog", {"api_url": "https://theirs.example/", "api_key": "CANARY-stranger-v1"})
SWEEP = 400.0


def behave(scene: Scene, **behaviour: object) -> None:
    scene.world.netbird.behaviour = replace(scene.world.netbird.behaviour, **behaviour)  # type: ignore[arg-type]  # checked at run time


def resources(scene: Scene, count: int) -> list[str]:
    """Create some resources and wait until a LIST has shown their integrations."""
    scene.lead()
    names = [f"r{number}" for number in range(count)]
    for name in names:
        scene.create(name)
    scene.wait(SWEEP)
    assert {scene.ready(name).reason for name in names} == {Reason.SYNCED}
    scene.costs()
    return names


def calls(scene: Scene, what: str) -> int:
    return scene.costs()[1].count(what)


def request(scene: Scene, name: str = "r0") -> None:
    scene.world.api.annotate(scene.identity(name), RECONCILE_ANNOTATION, f"at {scene.now}")


def streams_once(scene: Scene, names: list[str]) -> None:
    """Check that each resource owns one integration, and that there are no others."""
    assert scene.remote() == sorted(scene.find(name).status.id or 0 for name in names)
    assert {scene.ready(name).reason for name in names} == {Reason.SYNCED}


def notes(scene: Scene) -> list[str]:
    return [note.note for _, note in scene.world.events]


class TestAbsence:
    @pytest.mark.parametrize("count", [1, 3])
    def test_briefly_hidden_integration_is_not_created_again(self, scene: Scene, count: int) -> None:
        names = resources(scene, count)
        behave(scene, blank=True)
        for name in names:
            request(scene, name)
        scene.wait(2)
        behave(scene, blank=False)
        scene.wait(SWEEP)
        assert scene.posts() == count
        streams_once(scene, names)

    def test_lagging_read_replica_causes_no_create(self, scene: Scene) -> None:
        behave(scene, list_lag=20.0, get_lag=True)
        scene.lead()
        scene.create()
        scene.wait(2)
        request(scene)
        scene.wait(SWEEP)
        assert scene.posts() == 1
        streams_once(scene, ["r0"])

    def test_deletion_in_a_blank_window_leaves_no_integration(self, settled: Scene) -> None:
        behave(settled, blank=True)
        settled.delete()
        settled.wait(30)
        assert settled.ready().reason == Reason.REMOTE_DELETED
        behave(settled, blank=False)
        settled.wait(100)
        assert settled.is_gone()
        assert not settled.remote()

    def test_release_because_of_absence_is_a_warning_with_the_id(self, settled: Scene) -> None:
        (made,) = settled.remote()
        settled.world.dashboard_deletes(made)
        settled.delete()
        settled.wait(30)
        assert not settled.is_gone()
        settled.wait(60)
        assert settled.is_gone()
        (note,) = [note for _, note in settled.world.events if note.warning and "Released" in note.note]
        assert str(made) in note.note
        assert note.reason == Reason.REMOTE_DELETED

    def test_deleted_integration_is_created_again_after_two_observations(self, scene: Scene) -> None:
        names = resources(scene, 1)
        scene.world.dashboard_deletes(scene.remote()[0])
        request(scene)
        scene.wait(30)
        assert scene.ready().reason == Reason.REMOTE_DELETED
        assert scene.posts() == 1
        scene.wait(60)
        assert scene.posts() == 2
        streams_once(scene, names)
        scene.kept()

    def test_three_absent_at_once_need_confirmation(self, scene: Scene) -> None:
        names = resources(scene, 3)
        for each in scene.remote():
            scene.world.dashboard_deletes(each)
        scene.wait(3 * SWEEP)
        assert scene.posts() == 3
        assert {scene.ready(name).reason for name in names} == {Reason.INTEGRATIONS_VANISHED}
        condition = scene.connection()
        assert (condition.status, condition.reason) == ("False", Reason.INTEGRATIONS_VANISHED)
        value = condition.message.rpartition(" to ")[2].rstrip(".")
        scene.world.api.annotate(CONNECTION, CONFIRM_ANNOTATION, value)
        scene.wait(2 * SWEEP)
        assert scene.posts() == 6
        assert scene.connection().reason == Reason.SYNCED
        streams_once(scene, names)
        scene.kept()

    def test_three_that_appear_again_keep_their_owners(self, scene: Scene) -> None:
        names = resources(scene, 3)
        behave(scene, blank=True)
        scene.wait(3 * SWEEP)
        behave(scene, blank=False)
        scene.wait(SWEEP)
        assert scene.posts() == 3
        assert scene.connection().reason == Reason.SYNCED
        streams_once(scene, names)

    def test_long_blank_window_ends_with_one_integration(self, scene: Scene) -> None:
        names = resources(scene, 1)
        (former,) = scene.remote()
        behave(scene, blank=True)
        scene.wait(SWEEP)
        behave(scene, blank=False)
        scene.wait(SWEEP)
        assert scene.posts() == 2
        assert former not in scene.remote()
        streams_once(scene, names)
        assert not scene.find().status.internal.former
        assert any(f"Integration {former}, which another one had replaced, appeared" in note for note in notes(scene))

    def test_integration_that_appears_before_its_re_creation_is_owned_again(self, scene: Scene) -> None:
        names = resources(scene, 1)
        before = scene.remote()
        behave(scene, blank=True)
        for _ in range(6):
            scene.inject_fault("CREATE", RequestFault.REFUSED)
        while scene.find().status.id is not None:
            scene.wait(1)
            assert scene.now < 2000
        behave(scene, blank=False)
        scene.wait(SWEEP)
        assert scene.remote() == before
        streams_once(scene, names)

    def test_deletion_includes_a_formerly_owned_integration(self, scene: Scene) -> None:
        resources(scene, 1)
        behave(scene, blank=True)
        while scene.posts() < 2:
            scene.wait(1)
            assert scene.now < 2000
        behave(scene, blank=False)
        scene.wait(25)
        scene.delete()
        scene.wait(30)
        assert scene.is_gone()
        assert not scene.remote()

    def test_permanently_empty_list_does_not_cause_endless_creates(self, scene: Scene) -> None:
        resources(scene, 1)
        behave(scene, blank=True)
        scene.wait(6 * SWEEP)
        assert scene.ready().reason == Reason.CONTENDED
        assert scene.posts() == 4

    def test_script_that_deletes_after_each_create_is_contention(self, scene: Scene) -> None:
        resources(scene, 1)
        for _ in range(6):
            for each in scene.remote():
                scene.world.dashboard_deletes(each)
            scene.wait(SWEEP)
        assert scene.ready().reason == Reason.CONTENDED
        assert scene.posts() == 4

    def test_truncated_list_keeps_missing_integrations_in_sync(self, scene: Scene) -> None:
        names = resources(scene, 4)
        behave(scene, list_limit=2)
        scene.wait(2 * SWEEP)
        streams_once(scene, names)
        assert "leaves out" in scene.connection().message
        scene.edit("r3", enabled=False)
        scene.wait(30)
        assert not scene.world.netbird.integrations[scene.find("r3").status.id or 0].enabled
        scene.delete("r3")
        scene.wait(30)
        assert scene.is_gone("r3")
        assert scene.posts() == 4

    def test_truncated_list_after_a_lost_response_proves_nothing(self, scene: Scene) -> None:
        resources(scene, 4)
        behave(scene, list_limit=2)
        scene.wait(SWEEP)
        scene.inject_fault("CREATE", RequestFault.UNANSWERED)
        scene.create("r4")
        scene.wait(2 * SWEEP)
        assert scene.ready("r4").reason == Reason.CREATE_AMBIGUOUS
        assert scene.posts() == 5


class TestIdentity:
    @pytest.fixture
    def reused(self, scene: Scene) -> Scene:
        """Let another client delete the integration of a resource, and create one that gets its id."""
        behave(scene, reuse_ids=True)
        resources(scene, 1)
        (before,) = scene.remote()
        scene.world.dashboard_deletes(before)
        assert scene.world.dashboard_creates("acc-a", ELSEWHERE) == before
        return scene

    def theirs(self, scene: Scene) -> list[str]:
        return [
            each.config.get("api_url") or each.config.get("bucket_name", "")
            for each in scene.world.netbird.integrations.values()
        ]

    def test_reused_id_is_not_overwritten_by_a_resync(self, reused: Scene) -> None:
        (theirs,) = reused.remote()
        reused.wait(2 * SWEEP)
        assert calls(reused, "UPDATE") == 0
        assert sorted(self.theirs(reused)) == ["https://hook.example/r0/0", "https://theirs.example/"]
        assert reused.find().status.id != theirs
        assert reused.ready().reason == Reason.SYNCED

    def test_reused_id_is_not_overwritten_by_an_edit(self, reused: Scene) -> None:
        reused.edit(enabled=False)
        reused.wait(30)
        assert calls(reused, "UPDATE") == 0
        assert self.theirs(reused) == ["https://theirs.example/"]

    def test_reused_id_is_not_deleted(self, reused: Scene) -> None:
        reused.delete()
        reused.wait(100)
        assert reused.is_gone()
        assert calls(reused, "DELETE") == 0
        assert self.theirs(reused) == ["https://theirs.example/"]

    def test_reused_id_with_another_platform_is_not_deleted(self, scene: Scene) -> None:
        behave(scene, reuse_ids=True)
        resources(scene, 1)
        scene.world.dashboard_deletes(scene.remote()[0])
        bucket = {"bucket_name": "b", "region": "eu-west-1", "access_key": "a", "secret_key": "s"}
        scene.world.dashboard_creates("acc-a", Draft("s3", bucket))
        scene.delete()
        scene.wait(100)
        assert scene.is_gone()
        assert self.theirs(scene) == ["b"]

    def test_two_resources_never_own_one_id(self, scene: Scene) -> None:
        backup = scene.world.netbird.shelf.back_up()
        resources(scene, 2)
        scene.world.netbird.shelf.revert(backup)
        scene.wait(3 * SWEEP)
        ids = [scene.find(name).status.id or 0 for name in ("r0", "r1")]
        assert sorted(ids) == scene.remote()
        assert len(set(ids)) == 2

    def test_one_list_serves_all_deletions_of_a_namespace(self, scene: Scene) -> None:
        names = resources(scene, 8)
        for name in names:
            scene.delete(name)
        scene.wait(30)
        asked = scene.costs()[1]
        assert (asked.count("DELETE"), asked.count("LIST")) == (8, 1)
        assert not scene.remote()


class TestLostAnswers:
    def http(self, scene: Scene, name: str, **more: object) -> None:
        body = {"url": f"https://hook.example/{name}", **more}
        scene.create(name, platform=Platform.GENERIC_HTTP, datadog=None, generic_http=GenericHTTP.model_validate(body))

    @pytest.mark.parametrize(
        ("form", "more"),
        [
            (Form.STRIPPED, {"body_template": "{{.ID}}\n"}),
            (Form.ENCODED, {"url": "https://hook.example/{a}"}),
        ],
    )
    def test_known_normalized_form_is_recognised(self, form: Form, more: dict[str, str]) -> None:
        scene = Scene(replace(HONEST, form=form, mask_headers=HeaderMask.NONE))
        scene.lead()
        scene.wait(1)
        scene.inject_fault("CREATE", RequestFault.UNANSWERED)
        self.http(scene, "r0", **more)
        scene.wait(2 * SWEEP)
        assert scene.posts() == 1
        assert scene.find().status.origin is Origin.INFERRED
        assert scene.ready().reason == Reason.SYNCED

    @pytest.mark.parametrize("form", [Form.ADDED_HEADER, Form.MASKED_PATH, Form.UNRELATED])
    def test_unknown_normalized_form_is_reported_and_not_created_twice(self, form: Form) -> None:
        scene = Scene(replace(HONEST, form=form, mask_headers=HeaderMask.NONE))
        scene.lead()
        scene.wait(1)
        scene.inject_fault("CREATE", RequestFault.UNANSWERED)
        self.http(scene, "r0")
        scene.wait(2 * SWEEP)
        (made,) = scene.remote()
        assert scene.ready().reason == Reason.CREATE_AMBIGUOUS
        assert f"{made} (differs in " in scene.ready().message
        scene.edit(adoption=Adoption(policy=AdoptionPolicy.OVERRIDE, id=made))
        scene.wait(60)
        assert scene.find().status.id == made
        assert scene.posts() == 1

    @pytest.mark.parametrize("form", [Form.ADDED_HEADER, Form.MASKED_PATH, Form.STRIPPED, Form.ENCODED])
    @pytest.mark.parametrize("policy", list(AdoptionPolicy)[:2])
    def test_cluster_restored_without_status_creates_no_second_integration(
        self, form: Form, policy: AdoptionPolicy
    ) -> None:
        scene = Scene(replace(HONEST, form=form, mask_headers=HeaderMask.NONE))
        theirs = {"url": "https://hook.example/r0", "headers": "{}", "body_template": "a\n"}
        made = scene.world.dashboard_creates("acc-a", Draft("generic_http", theirs))
        scene.lead()
        self.http(scene, "r0", body_template="a\n")
        scene.edit(adoption=Adoption(policy=policy))
        scene.wait(SWEEP)
        assert scene.posts() == 0
        if form in {Form.STRIPPED, Form.ENCODED} and policy is AdoptionPolicy.MATCH:
            assert scene.find().status.id == made
        else:
            assert scene.ready().reason in {Reason.IDENTICAL_EXISTS, Reason.ADOPTION_MISMATCH}
            assert str(made) in scene.ready().message

    @pytest.mark.parametrize("skew", [-300.0, 300.0, -7200.0])
    def test_wrong_database_clock_hides_no_outcome(self, scene: Scene, skew: float) -> None:
        behave(scene, database_skew=skew)
        resources(scene, 1)
        scene.inject_fault("CREATE", RequestFault.UNANSWERED)
        scene.create("r1")
        scene.wait(SWEEP)
        assert scene.posts() == 2
        wanted = Reason.SYNCED if abs(skew) < 600 else Reason.CREATE_AMBIGUOUS
        assert scene.ready("r1").reason == wanted

    def test_integration_created_meanwhile_by_another_client_is_named_and_untouched(self, scene: Scene) -> None:
        scene.lead()
        scene.wait(1)
        scene.inject_fault("CREATE", RequestFault.DROPPED)
        scene.create()
        scene.wait(10)
        theirs = scene.world.dashboard_creates("acc-a", ELSEWHERE)
        scene.wait(SWEEP)
        assert scene.posts() == 1
        assert scene.ready().reason == Reason.CREATE_AMBIGUOUS
        assert f"{theirs} (differs in api_url)" in scene.ready().message
        scene.world.dashboard_deletes(theirs)
        scene.wait(2 * SWEEP)
        streams_once(scene, ["r0"])
        assert scene.posts() == 2


class TestValues:
    @pytest.mark.parametrize("before", [True, False])
    def test_key_that_a_put_does_not_change_is_not_reported_in_sync(self, scene: Scene, before: bool) -> None:  # noqa: FBT001  # pytest passes it
        behave(scene, immutable=("api_url",), put_answers_before=before)
        resources(scene, 1)
        scene.edit(datadog=scene.block("r0", "https://hook.example/new"))
        scene.wait(2 * SWEEP)
        condition = scene.ready()
        assert (condition.status, condition.reason) == ("False", Reason.NOT_APPLIED)
        assert "api_url" in condition.message
        assert calls(scene, "UPDATE") == 2
        scene.wait(3 * SWEEP)
        assert calls(scene, "UPDATE") == 0
        scene.kept()

    @pytest.mark.parametrize("restart", [False, True])
    def test_in_report_mode_it_is_not_called_drift(self, scene: Scene, restart: bool) -> None:  # noqa: FBT001  # pytest passes it
        behave(scene, immutable=("api_url",), put_answers_before=False)
        resources(scene, 1)
        scene.edit(drift_policy=DriftPolicy.REPORT, datadog=scene.block("r0", "https://hook.example/new"))
        scene.wait(2 * SWEEP)
        if restart:
            scene.restart()
            scene.wait(SWEEP)
        assert (scene.ready().status, scene.ready().reason) == ("False", Reason.NOT_APPLIED)
        assert calls(scene, "UPDATE") == 1
        behave(scene, immutable=())
        scene.world.dashboard_edits(scene.remote()[0], url="https://elsewhere.example/")
        scene.wait(SWEEP)
        assert scene.ready().reason == Reason.DRIFTED
        assert calls(scene, "UPDATE") == 0

    @pytest.mark.parametrize("form", list(Form))
    def test_normalized_form_of_the_first_response_is_never_corrected(self, form: Form) -> None:
        scene = Scene(replace(HONEST, form=form))
        resources(scene, 1)
        scene.wait(2 * SWEEP)
        assert calls(scene, "UPDATE") == 0
        assert scene.ready().reason == Reason.SYNCED

    def test_header_that_the_server_adds_is_no_drift_after_an_edit(self) -> None:
        scene = Scene(replace(HONEST, form=Form.ADDED_HEADER, mask_headers=HeaderMask.NONE))
        scene.lead()
        block = GenericHTTP(url="https://hook.example/a", headers=(Header(name="X-Team", value="a"),))
        scene.create(platform=Platform.GENERIC_HTTP, datadog=None, generic_http=block)
        scene.wait(SWEEP)
        headers = (Header(name="X-Team", value="b"), Header(name="X-More", value="c"))
        scene.edit(generic_http=block.model_copy(update={"headers": headers}))
        scene.wait(2 * SWEEP)
        assert scene.ready().reason == Reason.SYNCED
        assert calls(scene, "UPDATE") == 1


class TestTimes:
    def test_database_restored_to_before_a_rotation_gets_the_new_secret(self, scene: Scene) -> None:
        resources(scene, 1)
        backup = scene.world.netbird.shelf.back_up()
        scene.rotate("r0")
        scene.wait(2 * SWEEP)
        scene.world.netbird.shelf.revert(backup)
        scene.wait(SWEEP)
        (made,) = scene.world.netbird.integrations.values()
        assert made.config["api_key"] == "CANARY-r0-v2"
        assert scene.ready().reason == Reason.SYNCED

    @pytest.mark.parametrize("restart", [False, True])
    def test_server_that_changes_updated_at_by_itself_costs_one_put(self, scene: Scene, restart: bool) -> None:  # noqa: FBT001  # pytest passes it
        resources(scene, 1)
        behave(scene, stamps=True)
        scene.wait(4 * SWEEP)
        if restart:
            scene.restart()
        scene.wait(4 * SWEEP)
        assert calls(scene, "UPDATE") == 1
        assert scene.ready().reason == Reason.SYNCED

    @pytest.mark.parametrize("restart", [False, True])
    def test_in_report_mode_it_stays_no_drift(self, scene: Scene, restart: bool) -> None:  # noqa: FBT001  # pytest passes it
        resources(scene, 1)
        scene.edit(drift_policy=DriftPolicy.REPORT)
        scene.wait(SWEEP)
        behave(scene, stamps=True)
        scene.wait(2 * SWEEP)
        assert scene.ready().reason == Reason.SYNCED
        if restart:
            scene.restart()
        writes, events = len(scene.world.promises.writes), len(scene.world.events)
        scene.wait(10 * SWEEP)
        assert scene.ready().reason == Reason.SYNCED
        assert calls(scene, "UPDATE") == 0
        assert len(scene.world.events) == events
        assert len(scene.world.promises.writes) == writes

    def test_in_report_mode_a_time_that_moved_once_stays_reported(self, scene: Scene) -> None:
        resources(scene, 1)
        scene.edit(drift_policy=DriftPolicy.REPORT)
        scene.wait(SWEEP)
        config = {"api_key": "CANARY-stranger-v1"}
        scene.world.netbird.dashboard_edit(scene.remote()[0], scene.world.now(), config=config)
        for _ in range(3):
            scene.wait(SWEEP)
            assert scene.ready().reason == Reason.DRIFTED

    def test_in_report_mode_the_first_list_after_a_put_gives_the_time(self) -> None:
        scene = Scene(replace(HONEST, database_skew=300.0, put_answers_before=True))
        resources(scene, 1)
        scene.edit(drift_policy=DriftPolicy.REPORT, enabled=False)
        scene.wait(100)
        scene.edit(enabled=True)
        scene.wait(2 * SWEEP)
        assert scene.ready().reason == Reason.SYNCED

    def test_wall_clock_that_was_ahead_has_no_lasting_effect(self, scene: Scene) -> None:
        resources(scene, 1)
        process = scene.world.processes[-1]
        process.skew += 30 * 86_400
        scene.restart()
        scene.world.processes[-1].skew = process.skew
        scene.restart()
        for number in range(5):
            scene.world.dashboard_edits(scene.remote()[0], url=f"https://elsewhere.example/{number}")
            scene.wait(SWEEP)
        assert scene.ready().reason == Reason.CONTENDED


class TestLeaving:
    def test_namespace_deleted_with_its_access_leaves_no_integration(self, scene: Scene) -> None:
        shared = ObjectKey(ConnectionKind.CLUSTER.value, None, "shared")
        ref = KeyReference(name="token-shared", key="key")
        spec = ClusterConnectionSpec(token_secret_ref=ref, access=(Access(namespaces=(TEAM,)),))
        scene.world.put_secret("token-shared", "CANARY-main-v0", OPERATOR)
        scene.world.api.create(ClusterNetBirdConnection, None, "shared", spec)
        scene.lead()
        scene.create(connection_ref=ConnectionReference(kind=ConnectionKind.CLUSTER, name="shared"))
        scene.create("r1", connection_ref=ConnectionReference(kind=ConnectionKind.CLUSTER, name="shared"))
        scene.wait(30)
        assert len(scene.remote()) == 2
        scene.world.api.edit(shared, access=())
        scene.wait(30)
        assert scene.ready("r1").reason == Reason.NAMESPACE_NOT_ALLOWED
        scene.delete()
        scene.wait(30)
        assert scene.is_gone()
        assert scene.remote() == [scene.find("r1").status.id]


class TestShapes:
    def test_element_of_unknown_shape_blocks_no_resource(self, scene: Scene) -> None:
        behave(scene, strange_items=True)
        names = resources(scene, 2)
        streams_once(scene, names)
        assert "900000001" in scene.connection().message
        assert "without a readable id" in scene.connection().message

    def test_new_element_of_unknown_shape_after_a_lost_response_is_named(self, scene: Scene) -> None:
        scene.lead()
        scene.wait(1)
        scene.inject_fault("CREATE", RequestFault.DROPPED)
        scene.create()
        scene.wait(10)
        behave(scene, strange_items=True)
        scene.wait(SWEEP)
        assert scene.posts() == 1
        assert scene.ready().reason == Reason.CREATE_AMBIGUOUS

    def test_declared_adoption_is_finished_once_the_integration_is_gone(self, scene: Scene) -> None:
        theirs = scene.world.dashboard_creates("acc-a", ELSEWHERE)
        scene.lead()
        scene.create(adoption=Adoption(policy=AdoptionPolicy.OVERRIDE, id=theirs))
        scene.wait(SWEEP)
        assert scene.remote() == [theirs]
        scene.world.dashboard_deletes(theirs)
        scene.wait(2 * SWEEP)
        streams_once(scene, ["r0"])
        assert [each.reason for _, each in scene.world.events].count(EventReason.CREATED) == 1


class TestRestoredBackups:
    """A backup without status that is older than the last change of a setting."""

    @pytest.mark.parametrize(
        ("platform", "before", "after"),
        [
            (Platform.DATADOG, "https://hook.example/before", "https://hook.example/after"),
            (Platform.DATADOG, "https://before.example/", "https://after.example/"),
            (Platform.S3, "bucket-before", "bucket-after"),
        ],
    )
    def test_second_stream_is_reported_with_both_ids(
        self, scene: Scene, platform: Platform, before: str, after: str
    ) -> None:
        old = _draft(platform, before)
        former = scene.world.dashboard_creates("acc-a", old)
        elsewhere = scene.world.dashboard_creates("acc-a", OTHER_PLATFORM)
        scene.lead()
        scene.create(platform=platform, **_block(platform, after))
        scene.wait(30)
        (made,) = set(scene.remote()) - {former, elsewhere}
        (note,) = [each for _, each in scene.world.events if each.reason == EventReason.UNMANAGED_EXISTS]
        assert note.warning
        assert f"Integration {made} was created" in note.note
        assert f"manages integration {former} of the same platform" in note.note

    def test_create_is_not_reported_if_all_integrations_are_managed(self, scene: Scene) -> None:
        resources(scene, 3)
        scene.restart()
        scene.create("r3")
        scene.wait(30)
        assert not [each for _, each in scene.world.events if each.reason == EventReason.UNMANAGED_EXISTS]


OTHER_PLATFORM = Draft("generic_http", {"url": "https://hook.example/", "headers": "{}", "body_template": ""})


def _draft(platform: Platform, value: str) -> Draft:
    if platform is Platform.S3:
        return Draft("s3", {"bucket_name": value, "region": "eu-west-1", "access_key": "A", "secret_key": "B"})
    return Draft("datadog", {"api_url": value, "api_key": "CANARY-stranger-v1"})


def _block(platform: Platform, value: str) -> dict[str, Any]:
    ref = KeyReference(name="secret-r0", key="key")
    if platform is Platform.DATADOG:
        return {"datadog": Scene.block("r0", value)}
    s3 = S3(bucket_name=value, region="eu-west-1", access_key_id_secret_ref=ref, secret_access_key_secret_ref=ref)
    return {"datadog": None, "s3": s3}
