# The package: the program, man pages, completions, and the units of deploy/systemd. It is built from this repository. Without a flake:
#   pkgs.callPackage ./deploy/nix/package.nix { }
{
  lib,
  rustPlatform,
  installShellFiles,
  runtimeShell,
  gnugrep,
  # The commit, which the program reports at /version and in rendezvous_build_info.
  revision ? "unknown",
}:

rustPlatform.buildRustPackage {
  pname = "matrix-rendezvous";
  version = (lib.importTOML ../../Cargo.toml).package.version;

  # What cargo reads for the program, as in the Dockerfile, and what the package contains. So a change of a document builds nothing.
  src = lib.fileset.toSource {
    root = ../..;
    fileset = lib.fileset.unions [
      ../../Cargo.toml
      ../../Cargo.lock
      ../../config
      ../../src
      ../../deploy/systemd
      ../../tests/testkit
      ../../docs/config.schema.json
    ];
  };
  cargoLock.lockFile = ../../Cargo.lock;

  env.MATRIX_RENDEZVOUS_REVISION = revision;

  cargoBuildFlags = [
    "--bin"
    "matrix-rendezvous"
  ];
  # The tests of the repository need Redis, a network and minutes, and have passed before a release.
  doCheck = false;

  nativeBuildInputs = [ installShellFiles ];

  postInstall = ''
    mkdir man
    $out/bin/matrix-rendezvous man man
    installManPage man/*
    for shell in bash zsh fish; do
      $out/bin/matrix-rendezvous completions $shell >completions.$shell
      installShellCompletion --cmd matrix-rendezvous --$shell completions.$shell
    done
    install -D --mode=644 --target-directory=$out/share/doc/matrix-rendezvous config/default.toml docs/config.schema.json
    install -D --mode=644 --target-directory=$out/share/doc/matrix-rendezvous/examples deploy/systemd/socket-activation/*
    install -D --mode=644 --target-directory=$out/lib/systemd/system deploy/systemd/*.service deploy/systemd/*.timer
    # NixOS has no program in the directories that systemd searches.
    substituteInPlace $out/lib/systemd/system/*.service \
      --replace-quiet "ExecStart=matrix-rendezvous" "ExecStart=$out/bin/matrix-rendezvous" \
      --replace-quiet "ExecStartPre=sh -c 'matrix-rendezvous" "ExecStartPre=${runtimeShell} -c '$out/bin/matrix-rendezvous" \
      --replace-quiet "| grep " "| ${gnugrep}/bin/grep " \
      --replace-quiet "ExecReload=sh " "ExecReload=${runtimeShell} "
  '';

  doInstallCheck = true;
  installCheckPhase = ''
    runHook preInstallCheck
    $out/bin/matrix-rendezvous --config deploy/systemd/config.toml config check
    runHook postInstallCheck
  '';

  meta = {
    description = "Rendezvous server for Matrix sign-in by QR code (MSC4388, MSC4108)";
    license = lib.licenses.asl20;
    mainProgram = "matrix-rendezvous";
    platforms = lib.platforms.linux;
  };
}
