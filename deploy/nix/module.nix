# The NixOS module of matrix-rendezvous. It runs the units of deploy/systemd, with their restrictions. Without the flake:
#   imports = [ ./deploy/nix/module.nix ];
#   services.matrix-rendezvous.package = pkgs.callPackage ./deploy/nix/package.nix { };
{
  config,
  lib,
  pkgs,
  ...
}:

let
  cfg = config.services.matrix-rendezvous;
  format = pkgs.formats.toml { };
  unchecked = format.generate "matrix-rendezvous.toml" cfg.settings;
  checked = pkgs.runCommand "matrix-rendezvous.toml" { } ''
    ${lib.getExe cfg.package} --config ${unchecked} config check
    cp ${unchecked} $out
  '';
  file = if cfg.checkSettings then checked else unchecked;

  # The same for the server and for the doctor, which reads the configuration of the server.
  unit = {
    environment.RENDEZVOUS_CONFIG = file;
    serviceConfig = lib.mkIf (cfg.environmentFile != null) { EnvironmentFile = cfg.environmentFile; };
  };
in
{
  options.services.matrix-rendezvous = {
    enable = lib.mkEnableOption "the rendezvous server for Matrix sign-in by QR code";

    package = lib.mkOption {
      type = lib.types.package;
      description = "The package. The flake sets it to its own.";
    };

    settings = lib.mkOption {
      type = format.type;
      example = {
        http.public_base_url = "https://matrix.example.org";
        store.backend = "redis";
        store.redis.url = "redis://127.0.0.1:6379/0";
      };
      description = ''
        The configuration file; docs/configuration.md lists the keys. Without a value here, a key has the value of
        deploy/systemd/config.toml, as in the Debian package: released clients are served on 127.0.0.1:8082, operators on
        127.0.0.1:8083, and sessions are in memory. The file is in the Nix store, which every user can read: set secrets in
        `environmentFile`. The user of the service cannot read files of root: pass those as credentials (docs/install.md).
      '';
    };

    checkSettings = lib.mkOption {
      type = lib.types.bool;
      default = cfg.environmentFile == null;
      defaultText = lib.literalExpression "config.services.matrix-rendezvous.environmentFile == null";
      description = ''
        Whether a build of the system fails if the server would reject the settings. Set it to false if they name files of
        the machine (`…_file` keys), which a build cannot read.
      '';
    };

    environmentFile = lib.mkOption {
      type = lib.types.nullOr lib.types.path;
      default = null;
      example = "/run/secrets/matrix-rendezvous.env";
      description = ''
        A file with variables for the server, such as `RENDEZVOUS_STORE__REDIS__PASSWORD=…`. systemd reads it as root.
      '';
    };

    doctor.enable = lib.mkEnableOption "a check of sign-in every five minutes (docs/doctor.md); it needs http.public_base_url";
  };

  config = lib.mkIf cfg.enable {
    services.matrix-rendezvous.settings = lib.mapAttrsRecursive (_: lib.mkDefault) (lib.importTOML ../systemd/config.toml);

    assertions = [
      {
        assertion = cfg.doctor.enable -> cfg.settings ? http.public_base_url || cfg.settings ? auth.homeserver;
        message = ''
          services.matrix-rendezvous.doctor.enable needs the URL to check, such as
          services.matrix-rendezvous.settings.http.public_base_url = "https://matrix.example.org";
        '';
      }
    ];

    environment.systemPackages = [ cfg.package ];
    systemd.packages = [ cfg.package ];
    # NixOS ignores [Install] of a packaged unit.
    systemd.services.matrix-rendezvous = lib.mkMerge [
      unit
      { wantedBy = [ "multi-user.target" ]; }
    ];
    systemd.services.matrix-rendezvous-doctor = unit;
    systemd.timers.matrix-rendezvous-doctor = lib.mkIf cfg.doctor.enable { wantedBy = [ "timers.target" ]; };
  };
}
