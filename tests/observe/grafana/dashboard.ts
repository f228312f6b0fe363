// What a dashboard's JSON may be, by Grafana's own types: `check` appends the JSON to this file, and compiles it.
//
// Grafana's `Panel` leaves `options` and `custom` open, as each kind of panel has its own. So the kinds that we use are
// put together here, and a name that no kind has, or a value that none knows, does not compile. Enums of strings are
// taken by their values, since JSON has no enums.
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

interface Kind<Name extends string, Options, Custom = never> {
  id: number;
  type: Name;
  title: string;
  // No panel without a word on what is normal and what to do.
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

type Ours =
  | Kind<"timeseries", { legend: VizLegendOptions; tooltip: VizTooltipOptions }, GraphFieldConfig>
  | Kind<"stat", Stat>
  | Kind<"bargauge", BarGauge>
  | Kind<"table", { showHeader: boolean; cellHeight?: TableCellHeight; frameIndex: number }>
  | Plain<RowPanel>;

export type OurDashboard = Omit<Plain<Dashboard>, "panels"> & { panels: Ours[] };
