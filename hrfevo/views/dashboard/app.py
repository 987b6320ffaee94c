"""The page and what it asks of the server."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from dash import ALL, Dash, Input, Output, State, ctx, dcc, html, no_update, set_props
from dash.development.base_component import Component
from dash.exceptions import DependencyException, PreventUpdate
from flask import Response

from hrfevo.results.confirmation.confirmed import latest
from hrfevo.results.genome.recipe import recipe_yaml
from hrfevo.views.dashboard.body import body, option
from hrfevo.views.dashboard.card import card, pictures
from hrfevo.views.dashboard.drawing import Album, Screen, contents, live
from hrfevo.views.dashboard.table import columns_of, empty_table, rows_of
from hrfevo.views.dashboard.watch import Listed, Runs, Snapshot
from hrfevo.views.figures.style import page_variables
from signal_model.support.errors import InputError, counted
from signal_model.support.pages import page
from signal_model.support.plugins import command

TABS = {"progress": "Progress", "figures": "All figures", "table": "Table"}
# Nothing is loaded from anywhere else, whatever the data says.
_OWN = "'self' 'unsafe-inline'"
SECURITY = {
    "Content-Security-Policy": f"default-src 'none'; script-src {_OWN}; style-src {_OWN}; img-src 'self' data: blob:; "
    "font-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}

# What the screen is like, now and whenever it changes.
SCREEN = """
function () {
    const dark = window.matchMedia('(prefers-color-scheme: dark)'), mouse = window.matchMedia('(hover: hover)');
    const screen = () => ({dark: dark.matches, touch: !mouse.matches});
    for (const query of [dark, mouse]) {
        query.addEventListener('change', () => dash_clientside.set_props('screen', {data: screen()}));
    }
    return screen();
}
"""

# The rows that are looked at are asked for again; sorting, filters and place stay.
NEWS = """
function () {
    dash_ag_grid.getApiAsync('table').then((grid) => grid.refreshInfiniteCache());
}
"""


def make_app(runs: Runs, refresh: float) -> Dash:
    """The Dash app over these runs; the page asks for news every `refresh` seconds."""
    app = Dash(
        __name__,
        title="hrfevo",
        update_title=None,
        serve_locally=True,
        include_assets_files=False,
        index_string=_index(),
        add_log_handler=False,
        compress=False,
    )
    app.layout = _layout(refresh)
    app.clientside_callback(SCREEN, Output("screen", "data"), Input("screen", "id"))
    app.clientside_callback(NEWS, Input("news", "data"), prevent_initial_call=True)
    _Page(runs).register(app)

    @app.server.errorhandler(DependencyException)
    def unknown(_: DependencyException) -> tuple[str, int]:
        return "no such file", 404

    @app.server.after_request
    def secured(response: Response) -> Response:
        for name, value in SECURITY.items():
            response.headers.setdefault(name, value)
        return response

    return app


def _index() -> str:
    """The page around the app; Dash fills in its own parts, `{%…%}`."""
    return page("hrfevo.views.dashboard", light=page_variables("light"), dark=page_variables("dark"))


def _layout(refresh: float) -> html.Main:
    choices = [{"label": label, "value": value} for value, label in TABS.items()]
    return html.Main(
        [
            dcc.Interval(id="tick", interval=round(1000 * refresh)),
            dcc.Store(id="screen"),
            dcc.Store(id="stamp"),
            dcc.Store(id="news"),
            dcc.Store(id="opened"),
            dcc.Download(id="recipe"),
            html.Header([html.H1("Searches"), html.P(id="notice", className="quiet")]),
            html.Div(dcc.Checklist(id="runs", options=[], className="runs"), className="choice"),
            dcc.RadioItems(id="tab", options=choices, value="progress", className="tabs", inline=True),
            html.Div(id="body"),
            html.Div(empty_table(), id="table-box", hidden=True),
            html.Aside(
                [
                    html.Button("Close", id="close", className="action", type="button"),
                    html.Div(id="card"),
                    html.Button("Draw what it is", id="draw", className="action", type="button"),
                    html.Div(id="pictures"),
                ],
                id="drawer",
                role="dialog",
                **{"aria-label": "The genome that was chosen"},
                hidden=True,
            ),
        ]
    )


class _Page:
    """What the page asks for, answered from the runs."""

    def __init__(self, runs: Runs) -> None:
        self._runs = runs
        self._albums: dict[str, Album] = {}

    def register(self, app: Dash) -> None:
        """Make the app call these methods."""
        app.callback(
            Output("notice", "children"),
            Output("runs", "options"),
            Output("runs", "value"),
            Output("body", "children"),
            Output("table-box", "hidden"),
            Output("table", "columnDefs"),
            Output("news", "data"),
            Output("stamp", "data"),
            Input("tick", "n_intervals"),
            Input("runs", "value"),
            Input("tab", "value"),
            Input("screen", "data"),
            State("stamp", "data"),
            State({"type": "figure", "run": ALL, "name": ALL}, "relayoutData"),
        )(self.refresh)
        app.callback(Output("table", "getRowsResponse"), Input("table", "getRowsRequest"), State("runs", "value"))(
            self.rows
        )
        app.callback(
            Output("opened", "data"),
            Input({"type": "figure", "run": ALL, "name": ALL}, "clickData"),
            Input({"type": "genome", "run": ALL, "genome": ALL, "place": ALL}, "n_clicks"),
            Input("table", "cellClicked"),
            Input("close", "n_clicks"),
            prevent_initial_call=True,
        )(self.open)
        app.callback(
            Output("drawer", "hidden"),
            Output("card", "children"),
            Input("opened", "data"),
            Input("stamp", "data"),
            State("screen", "data"),
            prevent_initial_call=True,
        )(self.card)
        app.callback(
            Output("pictures", "children"),
            Input("draw", "n_clicks"),
            Input("opened", "data"),
            State("screen", "data"),
            prevent_initial_call=True,
        )(self.pictures)
        app.callback(
            Output("recipe", "data"),
            Input({"type": "download", "of": ALL}, "n_clicks"),
            State("opened", "data"),
            prevent_initial_call=True,
        )(self.download)

    def refresh(
        self,
        _tick: int,
        chosen: list[str] | None,
        tab: str,
        screen: Screen | None,
        stamp: dict[str, str] | None,
        _views: object,
    ) -> tuple[Any, ...]:
        """News for the page: of each part only what differs from what its stamp says it shows."""
        if screen is None:
            raise PreventUpdate
        notice, listed = self._listed()
        readable = [run.name for run in listed if run.version]
        picked = readable[:1] if chosen is None else chosen
        snapshots, troubles = self._snapshots([name for name in readable if name in picked])
        pictured = snapshots if tab == "figures" else {}
        albums = {name: self._album(name).of(snapshot) for name, snapshot in pictured.items()}

        before = stamp or {}
        states = {name: snapshot.version for name, snapshot in snapshots.items()}
        drawn = {name: (album.version, album.said) for name, album in albums.items()}
        now = before | {"list": _mark(notice, listed), "body": _mark(tab, screen, states, troubles, drawn)}
        columns: Any = no_update
        if tab == "table":
            found = columns_of(snapshots)
            now |= {"table": _mark(states), "columns": _mark(found)}
            columns = found if now["columns"] != before.get("columns") else no_update
        parts: Any = no_update
        if now["body"] != before.get("body"):
            marks = {f"run {name}": _mark(screen, version, drawn.get(name)) for name, version in states.items()}
            parts = body(tab, snapshots, troubles, albums, screen)
            pieces = list(live(parts))
            now |= marks | {"shape": _mark([piece.id for piece in pieces])}
            if now["shape"] == before.get("shape"):
                parts = no_update
                views = {_mark(sorted(graph["id"].items())): graph.get("value") for graph in ctx.states_list[1]}
                for piece in pieces:
                    mark = f"run {piece.id['run']}"
                    if mark not in marks or marks[mark] != before.get(mark):
                        view = views.get(_mark(sorted(piece.id.items())))
                        set_props(piece.id, contents(piece, view or {}))
        choice = picked if chosen is None and readable else no_update
        if now == before and choice is no_update:
            raise PreventUpdate
        return (
            notice if now["list"] != before.get("list") else no_update,
            [option(run) for run in listed] if now["list"] != before.get("list") else no_update,
            choice,
            parts,
            tab != "table",
            columns,
            now["table"] if now.get("table") != before.get("table") else no_update,
            now,
        )

    def rows(self, request: dict[str, Any] | None, chosen: list[str] | None) -> dict[str, Any]:
        """The part of the table that is looked at."""
        if request is None:
            raise PreventUpdate
        try:
            return rows_of(self._snapshots(chosen or [])[0], request)
        except InputError:  # the next refresh says so
            raise PreventUpdate from None

    def open(self, _points: object, _buttons: object, _cell: object, _close: object) -> dict[str, str] | None:
        """The genome that was clicked on, in a figure, a list or the table; none where the card was closed."""
        value = next((found["value"] for found in ctx.triggered if found["value"]), None)
        source = ctx.triggered_id
        if not value:
            raise PreventUpdate
        if source == "close":
            return None
        if source == "table":
            number, _, run = str(value.get("rowId")).partition("/")
            snapshot = self._snapshot(run)
            genomes = snapshot.frame.loc[snapshot.frame["number"].astype(str) == number, "genome"]
            genome = genomes.iloc[0] if len(genomes) else None
        elif source["type"] == "genome":
            run, genome = source["run"], source["genome"]
        else:
            run, data = source["run"], value["points"][0].get("customdata")
            genome = data[0] if isinstance(data, list) and data else data
        if not isinstance(genome, str) or not genome:
            raise PreventUpdate
        return {"run": run, "genome": genome}

    def card(self, opened: dict[str, str] | None, _stamp: object, screen: Screen) -> tuple[bool, Any]:
        """The card of the genome that is open, as it is now."""
        if opened is None:
            return True, []
        return False, card(opened["run"], self._snapshot(opened["run"]), opened["genome"], screen)

    def pictures(self, _clicks: int | None, opened: dict[str, str] | None, screen: Screen) -> list[Component]:
        """What the model of the genome that is open begins with; nothing until it is asked for."""
        if opened is None or ctx.triggered_id != "draw":
            return []
        return pictures(self._snapshot(opened["run"]), opened["genome"], screen)

    def download(self, clicks: Sequence[int | None], opened: dict[str, str] | None) -> dict[str, str]:
        """The recipe of the genome that is open, as `hrfevo export` writes it."""
        if opened is None or not any(clicks):
            raise PreventUpdate
        snapshot = self._snapshot(opened["run"])
        found = snapshot.history.find(opened["genome"])
        recipe = recipe_yaml(snapshot.space, found, snapshot.run.name, latest(snapshot.folder))
        return {"content": recipe, "filename": f"{found.genome}.yaml", "type": "application/yaml"}

    def _listed(self) -> tuple[str, list[Listed]]:
        try:
            listed = self._runs.listed()
        except InputError as error:
            return str(error), []
        folder = self._runs.folder
        if not listed:
            return f"No runs in {folder} yet. Begin one: {command('hrfevo', 'run', 'quick', '--out', folder)}", []
        return f"{counted(len(listed), 'run')} in {folder}", listed

    def _snapshots(self, names: Sequence[str]) -> tuple[dict[str, Snapshot], dict[str, str]]:
        snapshots, troubles = {}, {}
        for name in names:
            try:
                snapshots[name] = self._runs.snapshot(name)
            except InputError as error:
                troubles[name] = str(error)
        return snapshots, troubles

    def _snapshot(self, name: str) -> Snapshot:
        try:
            return self._runs.snapshot(name)
        except InputError:
            raise PreventUpdate from None

    def _album(self, name: str) -> Album:
        return self._albums.setdefault(name, Album())


def _mark(*of: object) -> str:
    """Short, and the same for the same things only."""
    return hashlib.blake2s(repr(of).encode(), digest_size=12).hexdigest()
