#!/usr/bin/python3
"""Makes, uses and refuses private keys in files, on a SoftHSM2 token and in a software TPM, as
users do; the openssl command checks what was signed.

    keys_test.py POLDER TRUST_TEST

TRUST_TEST: the room's test program, which holds the tests that need a TPM from within.
"""
import hashlib
import json
import os
import pathlib
import pty
import subprocess
import sys
import tempfile
import unittest

import tokens

POLDER, TRUST_TEST = (pathlib.Path(word).resolve() for word in sys.argv[1:3])


class Scratch(unittest.TestCase):
    environment = {}

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.scratch = pathlib.Path(folder.name)
        (self.scratch / "message").write_bytes(b"a message\n")

    def run_keys(self, *arguments, passphrase=None, descriptor=None, variables=None):
        """polder keys ARGUMENTS, without a terminal."""
        environment = {**os.environ, **self.environment, **(variables or {})}
        environment.pop("POLDER_PASSPHRASE", None)
        if passphrase is not None:
            environment["POLDER_PASSPHRASE"] = passphrase
        arguments = [str(word) for word in arguments]
        fds = ()
        if descriptor is not None:
            reader, writer = os.pipe()
            os.write(writer, descriptor.encode())
            os.close(writer)
            fds = (reader,)
            arguments += ["--passphrase-fd", str(reader)]
        done = subprocess.run([POLDER, "keys", *arguments], cwd=self.scratch, env=environment,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              pass_fds=fds, start_new_session=True)
        for fd in fds:
            os.close(fd)
        return done

    def keys(self, *arguments, **options):
        """Its result, which is expected."""
        done = self.run_keys(*arguments, **options)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stderr, "")
        return done.stdout

    def described(self, *arguments, **options):
        return json.loads(self.keys(*arguments, "--json", **options))

    def refused(self, code, words, *arguments, **options):
        """Expects one line that says `words`, the code in JSON, and exit status 1."""
        done = self.run_keys(*arguments, "--json", **options)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertEqual(json.loads(done.stdout)["error"]["code"], code, done.stderr)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        self.assertIn(words, done.stderr)

    def openssl(self, *arguments, **options):
        return subprocess.run(["openssl", *map(str, arguments)], cwd=self.scratch, check=True,
                              capture_output=True, env={**os.environ, **self.environment},
                              **options).stdout

    def openssl_verifies(self, public, scheme):
        """Whether openssl takes `signature` over `message` for the key's."""
        if scheme == "ed25519":
            command = ["pkeyutl", "-verify", "-pubin", "-inkey", public, "-rawin", "-in", "message",
                       "-sigfile", "signature"]
        else:
            command = ["dgst", "-sha256", "-verify", public, "-signature", "signature"]
            if scheme == "rsassa-pss-sha256":
                command += ["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:32"]
            command.append("message")
        self.openssl(*command)

    def signs(self, uri, scheme, **options):
        """The whole round with one key: its public half, a signature, both verifiers, a forgery."""
        self.keys("public", uri, "--output", "public.pem", **options)
        self.keys("sign", uri, "message", "--output", "signature", **options)
        self.openssl_verifies("public.pem", scheme)
        self.keys("verify", "public.pem", "message", "signature")
        (self.scratch / "forged").write_bytes(b"another message\n")
        self.refused("denied", "no signature of", "verify", "public.pem", "forged", "signature")
        shown = self.described("show", uri, **options)
        self.assertEqual((shown["scheme"], shown["private"]), (scheme, True))
        der = self.openssl("pkey", "-pubin", "-in", "public.pem", "-outform", "DER")
        self.assertEqual(shown["sha256"], hashlib.sha256(der).hexdigest())
        self.assertEqual(self.described("show", "public.pem")["keyid"], shown["keyid"])
        return shown


class Files(Scratch):
    def test_each_type_signs(self):
        for kind, scheme in (("ed25519", "ed25519"), ("p256", "ecdsa-sha2-nistp256"),
                             ("rsa", "rsassa-pss-sha256")):
            with self.subTest(kind):
                name = f"{kind}.pem"
                self.keys("create", "--type", kind, "--output", name, "--no-passphrase")
                self.assertEqual((self.scratch / name).stat().st_mode & 0o7777, 0o600)
                self.signs(name, scheme)

    def test_openssl_reads_ours_and_we_read_openssls(self):
        made = self.described("create", "--output", "ours.pem", descriptor="geheim\n")
        self.openssl("pkey", "-in", "ours.pem", "-passin", "pass:geheim", "-pubout", "-out",
                     "public.pem")
        self.assertEqual(self.described("show", "public.pem")["keyid"], made["keyid"])
        self.openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256",
                     "-aes-256-cbc", "-pass", "pass:geheim", "-out", "theirs.pem")
        (self.scratch / "theirs.pem").chmod(0o600)
        self.signs("theirs.pem", "ecdsa-sha2-nistp256", passphrase="geheim")

    def test_passphrases(self):
        self.refused("denied", "--no-passphrase", "create", "--output", "a.pem")
        self.assertFalse((self.scratch / "a.pem").exists())
        self.keys("create", "--output", "a.pem", passphrase="one")
        self.refused("denied", "needs a passphrase", "show", "a.pem")
        self.refused("denied", "wrong passphrase", "show", "a.pem", passphrase="two")
        self.keys("passphrase", "a.pem", descriptor="one\ntwo\n")
        self.refused("denied", "wrong passphrase", "show", "a.pem", passphrase="one")
        self.keys("passphrase", "a.pem", passphrase="two",
                  variables={"POLDER_NEW_PASSPHRASE": "three"})
        self.keys("show", "a.pem", passphrase="three")
        self.refused("not_found", "no more lines", "passphrase", "a.pem", descriptor="three\n")
        self.assertEqual((self.scratch / "a.pem").stat().st_mode & 0o7777, 0o600)

    def test_refusals(self):
        self.keys("create", "--output", "a.pem", "--no-passphrase")
        text = (self.scratch / "a.pem").read_text()
        self.refused("denied", "never overwritten", "create", "--output", "a.pem",
                     "--no-passphrase")
        self.assertEqual((self.scratch / "a.pem").read_text(), text)
        self.keys("public", "a.pem", "--output", "public.pem")
        (self.scratch / "public.pem").chmod(0o600)
        self.refused("invalid", "a public key", "sign", "public.pem", "message")
        (self.scratch / "a.pem").chmod(0o644)
        self.refused("denied", "chmod 600 'a.pem'", "sign", "a.pem", "message")
        (self.scratch / "a.pem").write_text(text[:-40])
        (self.scratch / "a.pem").chmod(0o600)
        self.refused("corrupt", "cut off", "sign", "a.pem", "message")
        self.refused("not_found", "none.pem", "show", "none.pem")
        self.refused("invalid", "0 given", "create")
        self.assertEqual(sorted(path.name for path in self.scratch.iterdir()),
                         ["a.pem", "message", "public.pem"])

    def test_an_output_replaces_no_key(self):
        for name in ("a", "b"):
            self.keys("create", "--output", f"{name}.pem", "--no-passphrase")
        (self.scratch / "link.pem").symlink_to("b.pem")
        os.link(self.scratch / "a.pem", self.scratch / "hard.pem")
        before = {name: (self.scratch / name).read_bytes() for name in ("a.pem", "b.pem",
                                                                        "message")}
        read, holds = "is read here", "holds a private key"
        self.refused("invalid", read, "public", "a.pem", "--output", "a.pem")
        self.refused("invalid", read, "public", "file:a.pem", "--output", "./a.pem")
        self.refused("invalid", read, "public", "a.pem", "--output", "hard.pem")
        self.refused("denied", holds, "public", "a.pem", "--output", "b.pem")
        self.refused("denied", holds, "public", "a.pem", "--output", "link.pem")
        self.refused("denied", holds, "sign", "a.pem", "message", "--output", "b.pem")
        self.refused("invalid", read, "sign", "a.pem", "message", "--output", "message")
        self.assertEqual({name: (self.scratch / name).read_bytes() for name in before}, before)
        # A public key and a signature are made again.
        for _ in range(2):
            self.keys("public", "a.pem", "--output", "a.pub.pem")
            self.keys("sign", "a.pem", "message", "--output", "signature")

    def test_what_is_no_key_is_not_called_one(self):
        (self.scratch / "message").chmod(0o644)
        self.refused("corrupt", "something else found", "show", "message")
        self.refused("corrupt", "something else found", "sign", "message", "message")

    def test_prompt_shows_no_passphrase(self):
        """On a terminal of its own: asked twice for a new one, and nothing typed is shown."""
        def on_terminal(arguments, answers):
            child, terminal = pty.fork()
            if child == 0:
                os.chdir(self.scratch)
                os.environ.pop("POLDER_PASSPHRASE", None)
                os.execv(POLDER, [POLDER, "keys", *arguments])
            shown = b""
            while True:
                try:
                    more = os.read(terminal, 4096)
                except OSError:  # the other side has closed
                    break
                if not more:
                    break
                shown += more
                if answers and shown.rstrip().endswith(answers[0][0]):
                    os.write(terminal, answers.pop(0)[1])
            os.close(terminal)
            return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), shown.decode()

        status, shown = on_terminal(["create", "--output", "a.pem"],
                                    [(b"a.pem:", b"geheim\n"), (b"again:", b"geheim\n")])
        self.assertEqual(status, 0, shown)
        self.assertNotIn("geheim", shown)
        status, shown = on_terminal(["show", "a.pem"], [(b"a.pem:", b"geheim\n")])
        self.assertEqual(status, 0, shown)
        self.assertNotIn("geheim", shown)
        status, shown = on_terminal(["show", "a.pem"], [(b"a.pem:", b"half\x03")])
        self.assertEqual(status, 1, shown)
        self.assertIn("given up", shown)
        self.assertNotIn("half", shown)


class Words(Scratch):
    """polder NOUN VERB."""

    def polder(self, *words):
        return subprocess.run([POLDER, *words], capture_output=True, text=True)

    def test_help(self):
        listed = self.polder("keys", "--help")
        self.assertEqual(listed.returncode, 0)
        for verb in ("create", "show", "public", "passphrase", "sign", "verify"):
            self.assertRegex(listed.stdout, rf"(?m)^  {verb} +\S.*\.$")
            asked = self.polder("keys", verb, "--help")
            self.assertEqual(asked.returncode, 0)
            self.assertIn(f"usage: polder keys {verb}", asked.stdout)
            self.assertIn("example:", asked.stdout)
            self.assertEqual(self.polder("help", "keys", verb).stdout, asked.stdout)
        self.assertEqual(self.polder("help", "keys").stdout, listed.stdout)
        self.assertRegex(self.polder("--help").stdout, r"(?m)^  keys ")

    def test_near_names(self):
        for words, near in ((["keys", "creat"], "'keys create'"), (["key"], "'keys'"),
                            (["keys", "show", "--jsn", "x"], "'--json'")):
            done = self.polder(*words)
            self.assertEqual(done.returncode, 2)
            self.assertIn(f"did you mean {near}?", done.stderr)
        self.assertEqual(self.polder("keys").returncode, 2)

    def test_completion(self):
        script = self.polder("completion", "bash").stdout
        for words, expected in ((["polder", "ke"], "keys"), (["polder", "keys", "pub"], "public"),
                                (["polder", "keys", "create", "--pk"], "--pkcs11"),
                                (["polder", "inspect", "--ht"], "--html"),
                                (["polder", "keys", "create", "--type", ""], "ed25519 p256 rsa"),
                                # As a shell splits --type=p.
                                (["polder", "keys", "create", "--type", "=", "p"], "p256"),
                                (["polder", "keys", "create", "--type", "="], "ed25519 p256 rsa"),
                                (["polder", "fleet", "devices", "--health", "w"], "well"),
                                (["polder", "rollout", "create", "--measures", "emp"],
                                 "empty frames"),
                                (["polder", "rollout", "create", "--window", "fr"], "fri"),
                                (["polder", "hub", "add-token", "anna", "op"], "operator"),
                                (["polder", "bench", "--target", "ar"], "arm64"),
                                (["polder", "completion", "b"], "bash"),
                                (["polder", "completi"], "completion")):
            line = " ".join(f"'{word}'" for word in words)
            done = subprocess.run(
                ["bash", "-c", f"{script}\nCOMP_WORDS=({line}); COMP_CWORD={len(words) - 1}\n"
                               "_polder; echo \"${COMPREPLY[@]}\""], capture_output=True, text=True)
            self.assertEqual(done.stdout.strip(), expected, done.stderr)


MISSING_TOKEN = tokens.missing_for_token()


@unittest.skipIf(MISSING_TOKEN, f"scripts/setup test installs {', '.join(MISSING_TOKEN)}")
class Tokens(Scratch):
    def setUp(self):
        super().setUp()
        token = tokens.Token()
        self.token = token.__enter__()
        self.addCleanup(token.__exit__)
        self.environment = token.environment

    def test_each_type_signs(self):
        for kind, scheme in (("p256", "ecdsa-sha2-nistp256"), ("rsa", "rsassa-pss-sha256")):
            uri = f"pkcs11:token=polder;object={kind}"
            self.keys("create", "--type", kind, "--pkcs11", uri, passphrase=tokens.PIN)
            self.signs(uri, scheme, passphrase=tokens.PIN)
            self.signs(f"{uri}?module-path=/usr/lib/softhsm/libsofthsm2.so", scheme,
                       passphrase=tokens.PIN)

    def test_keys_that_others_put_there(self):
        """Also beside an Ed25519 key, which hides all others from OpenSSL's engine."""
        for kind in ("p256", "rsa", "ed25519"):
            self.keys("create", "--type", kind, "--output", f"{kind}.pem", "--no-passphrase")
        for number, kind in enumerate(("ed25519", "p256", "rsa")):
            self.token.put(self.scratch / f"{kind}.pem", kind, f"0{number}")
        for kind, scheme in (("p256", "ecdsa-sha2-nistp256"), ("rsa", "rsassa-pss-sha256")):
            shown = self.signs(f"pkcs11:object={kind};type=private", scheme,
                               passphrase=tokens.PIN)
            self.assertEqual(shown["keyid"], self.described("show", f"{kind}.pem")["keyid"])
        self.refused("unsupported", "P-256 and RSA", "show", "pkcs11:object=ed25519",
                     passphrase=tokens.PIN)

    @unittest.skipIf(tokens.missing_files("/usr/lib/*/engines-3/pkcs11.so"),
                     "scripts/setup test installs libengine-pkcs11-openssl")
    def test_openssls_engine_uses_our_keys(self):
        uri = "pkcs11:token=polder;object=shared"
        self.keys("create", "--pkcs11", uri, passphrase=tokens.PIN)
        self.keys("public", uri, "--output", "public.pem", passphrase=tokens.PIN)
        self.openssl("pkeyutl", "-engine", "pkcs11", "-keyform", "engine", "-sign", "-rawin",
                     "-digest", "sha256", "-in", "message", "-out", "signature", "-inkey",
                     f"{uri};type=private;pin-value={tokens.PIN}")
        self.keys("verify", "public.pem", "message", "signature")

    def test_a_repository_names_the_key_of_a_token(self):
        uri = "pkcs11:token=polder;object=root"
        self.keys("create", "--pkcs11", uri, passphrase=tokens.PIN)
        self.keys("public", uri, "--output", "root.pub.pem", passphrase=tokens.PIN)
        key_id = self.described("show", "root.pub.pem")["keyid"]
        self.keys("create", "--output", "online.pem", "--no-passphrase")
        self.keys("public", "online.pem", "--output", "online.pub.pem")
        done = subprocess.run(
            [POLDER, "repo", "init", "repo", "--root-key", "root.pub.pem", "--root-threshold", "1",
             "--targets-key", "root.pub.pem", "--timestamp-key", "online.pub.pem", "--key", uri],
            cwd=self.scratch, capture_output=True, text=True,
            env={**os.environ, **self.environment, "POLDER_PASSPHRASE": tokens.PIN})
        self.assertIn(f"by {key_id} ({uri})\n", done.stdout, done.stderr)

    def test_refusals(self):
        uri = "pkcs11:token=polder;object=one"
        self.keys("create", "--pkcs11", uri, passphrase=tokens.PIN)
        refused = [
            ("denied", "none is ever overwritten", "create", "--pkcs11", uri),
            ("unsupported", "--type p256 or rsa", "create", "--type", "ed25519", "--pkcs11",
             "pkcs11:token=polder;object=two"),
            ("invalid", ";object=NAME", "create", "--pkcs11", "pkcs11:token=polder"),
            ("not_found", "there are 'polder'", "show", "pkcs11:token=other;object=one"),
            ("not_found", "it holds 'one'", "show", "pkcs11:token=polder;object=two"),
            ("denied", "a PIN has no place", "show", f"{uri}?pin-value={tokens.PIN}"),
            ("unavailable", "cannot be loaded", "show", f"{uri}?module-path=/none.so"),
            ("unavailable", "no PKCS#11 module", "show", f"{uri}?module-path=libcrypto.so.3"),
            ("invalid", "unknown attribute 'label'", "show", "pkcs11:token=polder;label=one"),
        ]
        for code, words, *arguments in refused:
            self.refused(code, words, *arguments, passphrase=tokens.PIN)
        self.refused("denied", "wrong PIN", "show", uri, passphrase="0000")
        self.refused("denied", "needs a passphrase", "show", uri)
        self.keys("create", "--pkcs11", "pkcs11:token=polder;object=two", passphrase=tokens.PIN)
        self.refused("invalid", "2 private keys fit", "show", "pkcs11:token=polder",
                     passphrase=tokens.PIN)
        self.token.add("second")
        self.refused("invalid", "2 tokens fit", "show", "pkcs11:object=one", passphrase=tokens.PIN)


MISSING_TPM = tokens.missing_for_tpm()


@unittest.skipIf(MISSING_TPM, f"scripts/setup test installs {', '.join(MISSING_TPM)}")
class Tpms(Scratch):
    def setUp(self):
        super().setUp()
        tpm = tokens.Tpm()
        tpm.__enter__()
        self.addCleanup(tpm.__exit__)
        self.environment = tpm.environment

    def test_keys_sign_and_agree(self):
        made = self.described("create", "--tpm", "0x81000001", "--no-passphrase")
        self.assertEqual(made["uri"], "tpm:0x81000001")
        shown = self.signs("tpm:0x81000001", "ecdsa-sha2-nistp256")
        self.assertEqual(shown["keyid"], made["keyid"])
        # A second one is another key; a passphrase guards it.
        other = self.described("create", "--tpm", "0x81000002", passphrase="geheim")
        self.assertNotEqual(other["keyid"], made["keyid"])
        self.signs(other["uri"], "ecdsa-sha2-nistp256", passphrase="geheim")
        self.refused("denied", "wrong passphrase", "sign", other["uri"], "message",
                     passphrase="falsch")
        self.refused("denied", "tpm:0x81000002?pass", "sign", "tpm:0x81000002", "message")
        done = subprocess.run(
            [TRUST_TEST, "--gtest_also_run_disabled_tests", "--gtest_filter=*AgreesInTheTpm"],
            env={**os.environ, **self.environment}, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("[  PASSED  ] 1 test", done.stdout)

    def test_refusals(self):
        self.refused("not_found", "no key under this handle", "show", "tpm:0x81000001")
        self.keys("create", "--tpm", "0x81000001", "--no-passphrase")
        refused = [
            ("denied", "none is ever overwritten", "create", "--tpm", "0x81000001",
             "--no-passphrase"),
            ("unsupported", "--type p256", "create", "--tpm", "0x81000002", "--type", "rsa",
             "--no-passphrase"),
            ("exhausted", "at most 32 bytes", "create", "--tpm", "0x81000002"),
            ("invalid", "persistent handle", "show", "tpm:0x80000000"),
            ("invalid", "persistent handle", "show", "tpm:81000001"),
        ]
        for code, words, *arguments in refused:
            self.refused(code, words, *arguments, passphrase="x" * 33)

    def test_no_tpm(self):
        self.environment = {"TPM2OPENSSL_TCTI": f"swtpm:path={self.scratch}/none"}
        self.refused("unavailable", "no TPM answers", "show", "tpm:0x81000001")
        self.refused("unavailable", "no TPM answers", "create", "--tpm", "0x81000001",
                     "--no-passphrase")
        self.environment = {"OPENSSL_MODULES": str(self.scratch)}
        self.refused("unavailable", "install tpm2-openssl", "show", "tpm:0x81000001")


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
