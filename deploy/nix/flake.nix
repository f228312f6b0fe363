# The flake of matrix-rendezvous: the package, and a NixOS module. docs/install.md shows how to use it.
{
  description = "Rendezvous server for Matrix sign-in by QR code";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs =
    { self, nixpkgs }:
    let
      systems = [
        "x86_64-linux"
        "aarch64-linux"
      ];
      forEachSystem = function: nixpkgs.lib.genAttrs systems (system: function nixpkgs.legacyPackages.${system});
    in
    {
      packages = forEachSystem (pkgs: rec {
        matrix-rendezvous = pkgs.callPackage ./package.nix { revision = self.rev or "unknown"; };
        default = matrix-rendezvous;
      });

      nixosModules = rec {
        matrix-rendezvous =
          { lib, pkgs, ... }:
          {
            imports = [ ./module.nix ];
            services.matrix-rendezvous.package = lib.mkDefault self.packages.${pkgs.stdenv.hostPlatform.system}.default;
          };
        default = matrix-rendezvous;
      };
    };
}
