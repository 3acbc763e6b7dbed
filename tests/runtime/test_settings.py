"""The environment is read once and checked. A wrong value is refused with a sentence."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from app import create_app
from runtime.settings import Settings, SettingsError
from runtime.settings.secret_strength import weakness_of
from tests.support.programs import REPOSITORY
from waiter_service import Database
from waiter_service.store.database_url import url_from

GOOD_SECRET = "kX2vQ9-uR7sLw0pZ4tYb8nHc3mFa6dGe1jJi5oKqVhUx"


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"INSTANCE_DIR": str(tmp_path / "instance")}


def public_pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


@pytest.fixture(scope="module")
def rsa_pem() -> str:
    return public_pem(rsa.generate_private_key(65537, 2048))


@pytest.fixture(scope="module")
def ec_pem() -> str:
    return public_pem(ec.generate_private_key(ec.SECP256R1()))


def test_everything_has_a_working_default(environ):
    settings = Settings.load(environ)

    assert settings.database_url == f"sqlite:///{environ['INSTANCE_DIR']}/restaurant.db"
    assert settings.redis_url is None
    assert (settings.host, settings.port) == ("127.0.0.1", 8000)
    assert settings.heartbeat_seconds == 30
    assert settings.demo is False


@pytest.mark.parametrize(
    ("given", "prefix"),
    [("north", "north:"), ("north:", "north:"), ("acme:north_1.2-b", "acme:north_1.2-b:")],
)
def test_redis_prefix_ends_in_a_colon(environ, given, prefix):
    assert Settings.load(environ).redis_prefix == "restaurant:"
    assert Settings.load({**environ, "REDIS_PREFIX": given}).redis_prefix == prefix


@pytest.mark.parametrize("given", [":", "a b", "{a}", "a*", "a::", ":a", "é", "x" * 65, "a\nb"])
def test_redis_prefix_is_a_plain_name(environ, given):
    with pytest.raises(SettingsError, match="REDIS_PREFIX"):
        Settings.load({**environ, "REDIS_PREFIX": given})


def test_the_readme_names_every_setting():
    readme = (REPOSITORY / "README.md").read_text()

    assert [name for name in Settings.variables() if f"`{name}`" not in readme] == []


def test_empty_counts_as_not_set(environ):
    settings = Settings.load(environ | {"REDIS_URL": "", "PORT": ""})

    assert settings.redis_url is None
    assert settings.port == 8000


def test_overrides_win_and_may_be_typed(environ):
    settings = Settings.load(
        environ | {"PORT": "1", "DEMO": "0"},
        {"PORT": 8123, "DEMO": True, "CORS_ORIGINS": ["https://a.example"], "TESTING": True},
    )

    assert (settings.port, settings.demo) == (8123, True)
    assert settings.cors_origins == ("https://a.example",)


def test_the_origin_of_an_app_that_wraps_a_page_is_accepted(environ):
    named = ("capacitor://localhost", "ionic://localhost", "tauri://localhost")
    assert Settings.load(environ | {"CORS_ORIGINS": ",".join(named)}).cors_origins == named


def test_a_misspelt_override_is_refused_with_the_right_name(environ):
    with pytest.raises(SettingsError, match="did you mean SSE_HEARTBEAT_SECONDS"):
        Settings.load(environ, {"SSE_HEARTBEAT": 1})


@pytest.mark.parametrize(
    ("misspelt", "meant"),
    [
        ("SSE_HEARTBEAT", "SSE_HEARTBEAT_SECONDS"),
        ("SSE_HISTORY_EVENT", "SSE_HISTORY_EVENTS"),
        ("DATABASE_URI", "DATABASE_URL"),
        ("DATBASE_URL", "DATABASE_URL"),
        ("REDIS_URI", "REDIS_URL"),
        ("CORS_ORIGIN", "CORS_ORIGINS"),
        ("WEB_CONCURENCY", "WEB_CONCURRENCY"),
        ("log_level", "LOG_LEVEL"),
    ],
)
def test_a_misspelt_variable_stops_the_start_with_the_right_name(environ, misspelt, meant):
    with pytest.raises(SettingsError, match=f"{misspelt} is not a setting; did you mean {meant}?"):
        Settings.load(environ | {misspelt: "1"})


def test_an_unknown_sse_variable_stops_the_start(environ):
    with pytest.raises(SettingsError, match="SSE_ZZZ is not a setting"):
        Settings.load(environ | {"SSE_ZZZ": "1"})


def test_variables_of_kubernetes_and_other_programs_are_ignored(environ):
    others = {
        f"{service}_{what}": "tcp://10.0.0.11:6379"
        for service in ("REDIS", "DATABASE", "LOG", "WEB", "JWT", "CORS", "POSTGRES")
        for what in (
            "PORT",
            "SERVICE_HOST",
            "SERVICE_PORT",
            "PORT_6379_TCP",
            "HOST",
            "USER",
            "NAME",
        )
    }

    Settings.load(environ | others | {"HOSTNAME": "pod-1", "HOME": "/", "TERM": "xterm"})


@pytest.mark.parametrize(
    ("host", "address", "local_url"),
    [
        ("127.0.0.1", "127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("0.0.0.0", "0.0.0.0:8000", "http://127.0.0.1:8000"),  # noqa: S104
        ("::", "[::]:8000", "http://[::1]:8000"),
        ("[::1]", "[::1]:8000", "http://[::1]:8000"),
        ("floor.internal", "floor.internal:8000", "http://floor.internal:8000"),
    ],
)
def test_the_service_listens_on_an_address_of_either_family(environ, host, address, local_url):
    settings = Settings.load(environ | {"HOST": host})

    assert (settings.address, settings.local_url) == (address, local_url)


def test_the_instance_directory_may_contain_any_character(tmp_path):
    instance = tmp_path / "what? 100% #1 à la carte"
    url = Settings.load({"INSTANCE_DIR": str(instance)}).database_url

    for each in (url, url_from({"INSTANCE_DIR": str(instance)})):
        assert Database(each).sqlite_path == instance / "restaurant.db"


@pytest.mark.parametrize(
    ("variable", "value", "rule"),
    [
        ("HOST", "127.0.0.1:80", "without a port"),
        ("HOST", "a b", "an IPv4 or IPv6 address or a name"),
        ("PORT", "eighty", "a whole number from 0 to 65535"),
        ("PORT", "70000", "a whole number from 0 to 65535"),
        ("WEB_CONCURRENCY", "0", "a whole number from 1"),
        ("SSE_HEARTBEAT_SECONDS", "0", "a number of seconds from 0.05"),
        ("SSE_DRAIN_SECONDS", "nan", "a number of seconds from 0"),
        ("SSE_MAX_PENDING_EVENTS", "-1", "a whole number from 1"),
        ("DEMO", "maybe", "1 or 0 (or true/false, yes/no, on/off), or public"),
        ("LOG_FORMAT", "xml", "one of text, json"),
        ("LOG_LEVEL", "LOUD", "one of DEBUG, INFO"),
        ("REDIS_URL", "localhost:6379", "starts with redis://"),
        ("CORS_ORIGINS", "*", "origins such as"),
        ("CORS_ORIGINS", "https://a.example/", "origins such as"),
        ("CORS_ORIGINS", "capacitor://", "origins such as"),
        ("CORS_ORIGINS", "file:///app/index.html", "origins such as"),
        ("JWT_ALGORITHM", "none", "one of HS256, RS256, ES256"),
    ],
)
def test_a_bad_value_is_named_with_its_rule(environ, variable, value, rule):
    with pytest.raises(SettingsError) as refusal:
        Settings.load(environ | {variable: value})

    assert variable in str(refusal.value)
    assert repr(value) in str(refusal.value)
    assert rule in str(refusal.value)


@pytest.mark.parametrize(
    ("url", "rule"),
    [
        ("mysql://db/x", "use sqlite or postgresql"),
        ("nonsense", "use sqlite:////path/to/file.db or postgresql://"),
        ("sqlite://", "name a file: sqlite:////path/to/file.db"),
        ("sqlite:///:memory:", "name a file: sqlite:////path/to/file.db"),
        ("postgresql://db:port/x", "use sqlite:////path/to/file.db or postgresql"),
    ],
)
def test_create_app_refuses_an_unusable_database(environ, url, rule):
    with pytest.raises(SettingsError) as refusal:
        create_app(environ | {"DATABASE_URL": url})

    assert f"DATABASE_URL is {url!r}" in str(refusal.value)
    assert rule in str(refusal.value)


@pytest.mark.parametrize(
    "url", ["sqlite+pysqlite:////tmp/floor.db", "postgres://db/floor", "postgresql+psycopg2://db/x"]
)
def test_the_server_accepts_every_database_that_a_script_can_use(environ, url):
    assert Settings.load(environ | {"DATABASE_URL": url}).database_url == url
    Database(url)


def test_no_repr_or_error_shows_a_secret(environ, rsa_pem):
    settings = Settings.load(
        environ
        | {
            "JWT_SECRET_KEY": GOOD_SECRET,
            "JWT_PUBLIC_KEY": rsa_pem,
            "DATABASE_URL": "postgresql://floor:pass-word@db/restaurant",
            "REDIS_URL": "redis://:pass-word@redis:6379/0",
        }
    )

    assert GOOD_SECRET not in repr(settings)
    assert "pass-word" not in repr(settings)
    assert "BEGIN" not in repr(settings)
    assert "db/restaurant" in repr(settings)
    with pytest.raises(SettingsError) as refusal:
        create_app(environ | {"DATABASE_URL": "mysql://floor:pass-word@db/x"})
    assert "pass-word" not in str(refusal.value)


def test_several_workers_without_redis_are_refused(environ):
    with pytest.raises(SettingsError, match="set REDIS_URL"):
        Settings.load(environ | {"WEB_CONCURRENCY": "2"})


def test_redis_without_a_shared_secret_is_refused(environ):
    with pytest.raises(SettingsError, match="JWT_SECRET_KEY"):
        Settings.load(environ | {"REDIS_URL": "redis://localhost"})


def test_several_workers_with_redis_and_a_secret_are_accepted(environ):
    settings = Settings.load(
        environ | {"WEB_CONCURRENCY": "4", "REDIS_URL": "redis://r", "JWT_SECRET_KEY": GOOD_SECRET}
    )

    assert settings.web_concurrency == 4


@pytest.mark.parametrize("variable", ["JWT_SECRET_KEY", "JWT_SECRET_KEY_PREVIOUS"])
@pytest.mark.parametrize(
    ("secret", "why"),
    [
        ("secret", "shorter than 32 bytes"),
        ("x" * 48, "too regular"),
        ("abc123" * 10, "too regular"),
        ("0123456789abcdefghijklmnopqrstuvwxyz", "too regular"),
        ("passwordpasswordpasswordpassword1!", "too regular"),
        ("a-string-secret-at-least-256-bits-long", "a well-known one"),
        ("Please-Change-Me! Please, do it before you go live", "a well-known one"),
    ],
)
def test_a_guessable_secret_is_refused_and_not_shown(environ, variable, secret, why):
    with pytest.raises(SettingsError) as refusal:
        Settings.load(environ | {variable: secret})

    assert str(refusal.value).startswith(f"{variable} is {why}")
    assert "openssl rand" in str(refusal.value)
    assert secret not in str(refusal.value).removesuffix("secret")


@pytest.mark.parametrize("size", [16, 24, 32, 1000])
def test_random_bytes_in_any_encoding_are_a_good_secret(size):
    for _ in range(200):
        assert weakness_of(secrets.token_hex(size)) is None
        assert weakness_of(secrets.token_urlsafe(max(24, size))) is None


def test_the_public_key_is_refused_as_a_secret(environ, rsa_pem):
    for secret in (rsa_pem, rsa_pem.replace("\n", "\\n"), "".join(rsa_pem.splitlines()[1:-1])):
        with pytest.raises(SettingsError, match="JWT_SECRET_KEY is the public key"):
            Settings.load(environ | {"JWT_PUBLIC_KEY": rsa_pem, "JWT_SECRET_KEY": secret})


# --- the secret that an installation generates


def test_the_secret_is_made_once_and_only_readable_by_its_owner(environ):
    first = Settings.load(environ).jwt_secret_key
    again = Settings.load(environ).jwt_secret_key

    kept = Path(environ["INSTANCE_DIR"]) / "jwt-secret"
    assert first == again == kept.read_text().strip()
    assert len(first) >= 32
    assert kept.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in kept.parent.iterdir()] == ["jwt-secret"]


def test_processes_that_start_together_agree_on_the_secret(environ):
    code = "from runtime.settings import Settings; print(Settings.load().jwt_secret_key)"
    together = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            cwd=REPOSITORY,
            env=environ,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(6)
    ]
    found = {process.communicate(timeout=30)[0].strip() for process in together}

    assert len(found) == 1
    assert len(found.pop()) >= 32


def test_an_instance_directory_that_cannot_be_created_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(SettingsError, match="INSTANCE_DIR"):
        Settings.load({"INSTANCE_DIR": str(tmp_path / "file" / "instance")})


def test_an_empty_secret_file_is_refused(environ):
    secret = Path(environ["INSTANCE_DIR"]) / "jwt-secret"
    secret.parent.mkdir()
    secret.touch()

    with pytest.raises(SettingsError, match="is empty"):
        Settings.load(environ)


# --- a platform's public key


def test_the_public_key_decides_on_the_algorithm(environ, rsa_pem, ec_pem):
    assert Settings.load(environ | {"JWT_PUBLIC_KEY": rsa_pem}).jwt_algorithm == "RS256"
    assert Settings.load(environ | {"JWT_PUBLIC_KEY": ec_pem}).jwt_algorithm == "ES256"


def test_the_public_key_may_be_a_file_or_one_line(environ, tmp_path, rsa_pem):
    file = tmp_path / "platform.pem"
    file.write_text(rsa_pem)
    one_line = rsa_pem.replace("\n", "\\n")

    for given in (str(file), one_line):
        settings = Settings.load(environ | {"JWT_PUBLIC_KEY": given})
        assert settings.jwt_public_key == rsa_pem.strip()


def test_an_algorithm_that_does_not_fit_the_key_is_refused(environ, rsa_pem):
    with pytest.raises(SettingsError, match="JWT_ALGORITHM=RS256"):
        Settings.load(environ | {"JWT_PUBLIC_KEY": rsa_pem, "JWT_ALGORITHM": "ES256"})
    with pytest.raises(SettingsError, match="set JWT_PUBLIC_KEY"):
        Settings.load(environ | {"JWT_ALGORITHM": "RS256"})


def test_a_private_key_is_refused_and_not_shown(environ):
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()

    with pytest.raises(SettingsError, match="the private key stays") as refusal:
        Settings.load(environ | {"JWT_PUBLIC_KEY": pem})

    assert pem.splitlines()[1] not in str(refusal.value)


@pytest.mark.parametrize("given", ["/no/such/file.pem", "-----BEGIN PUBLIC KEY-----\nx"])
def test_a_value_that_is_not_a_key_is_refused(environ, given):
    with pytest.raises(SettingsError, match="JWT_PUBLIC_KEY must be a public key"):
        Settings.load(environ | {"JWT_PUBLIC_KEY": given})


def test_the_public_keys_may_be_a_jwks_file(environ, tmp_path):
    file = tmp_path / "jwks.json"
    listed = [
        json.loads(RSAAlgorithm.to_jwk(rsa.generate_private_key(65537, 2048).public_key())),
        json.loads(ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()).public_key())),
    ]
    file.write_text(json.dumps({"keys": listed}))
    settings = Settings.load(environ | {"JWT_PUBLIC_KEY": str(file)})
    assert settings.jwt_public_key == file.read_text()
    assert Settings.load(environ | {"JWT_PUBLIC_KEY": str(file), "JWT_ALGORITHM": "ES256"})

    file.write_text(json.dumps({"keys": listed[:1]}))
    assert Settings.load(environ | {"JWT_PUBLIC_KEY": str(file)}).jwt_algorithm == "RS256"
    with pytest.raises(SettingsError, match="made for RS256"):
        Settings.load(environ | {"JWT_PUBLIC_KEY": str(file), "JWT_ALGORITHM": "ES256"})
    file.write_text("{}")
    with pytest.raises(SettingsError, match="JWT_PUBLIC_KEY must be a JWKS file"):
        Settings.load(environ | {"JWT_PUBLIC_KEY": str(file)})
