// The type of a dashboard's JSON, from Grafana's own types. `check` appends the JSON to this file and compiles it.
//
// Grafana's `Panel` leaves `options` and `custom` open, because each kind of panel has its own. This file defines the
// kinds that we use. A name or a value that a kind does not have does not compile. String enums are replaced by their
// values, because JSON has no enums.
import type {
  BarGaugeDisplayMode, BarGaugeNamePlacement, BarGaugeSizing, BarGaugeValueMode, BigValueColorMode, BigValueGraphMode,
  BigValueJustifyMode, BigValueTextMode, Dashboard, GraphFieldConfig, OptionsWithLegend, Panel, PercentChangeColorMode,
  RowPanel, SingleStatBaseOptions, TableCellHeight, VizLegendOptions, VizTooltipOptions,
} from "@grafana/schema";

type Plain<T> = T extends string
  ? `${T}`
  : T extends number | boolean | null | undefined | Date
    ? T
    : { [K in keyof T]: Plain<T[K]> };

interface Query {
  refId: string;
  datasource: { type: "prometheus"; uid: string };
  expr: string;
  legendFormat: string;
  instant?: boolean;
  range?: boolean;
  format?: "table" | "time_series";
}

interface PanelOf<Name extends string, Options, Custom = never> {
  id: number;
  type: Name;
  title: string;
  // Required: each panel says what is normal and what to do.
  description: string;
  datasource: { type: "prometheus"; uid: string };
  gridPos: Plain<NonNullable<Panel["gridPos"]>>;
  targets: Query[];
  transformations?: Plain<Panel["transformations"]>;
  options: Plain<Options>;
  fieldConfig: {
    overrides: never[];
    defaults: Omit<Plain<NonNullable<Panel["fieldConfig"]>["defaults"]>, "custom"> & { custom?: Plain<Custom> };
  };
}

interface Stat extends SingleStatBaseOptions {
  colorMode: BigValueColorMode;
  graphMode: BigValueGraphMode;
  justifyMode: BigValueJustifyMode;
  percentChangeColorMode: PercentChangeColorMode;
  showPercentChange: boolean;
  textMode: BigValueTextMode;
  wideLayout: boolean;
}

interface BarGauge extends SingleStatBaseOptions, OptionsWithLegend {
  displayMode: BarGaugeDisplayMode;
  maxVizHeight: number;
  minVizHeight: number;
  minVizWidth: number;
  namePlacement: BarGaugeNamePlacement;
  showUnfilled: boolean;
  sizing: BarGaugeSizing;
  valueMode: BarGaugeValueMode;
}

type KnownPanel =
  | PanelOf<"timeseries", { legend: VizLegendOptions; tooltip: VizTooltipOptions }, GraphFieldConfig>
  | PanelOf<"stat", Stat>
  | PanelOf<"bargauge", BarGauge>
  | PanelOf<"table", { showHeader: boolean; cellHeight?: TableCellHeight; frameIndex: number }>
  | Plain<RowPanel>;

export type KnownDashboard = Omit<Plain<Dashboard>, "panels"> & { panels: KnownPanel[] };
