// Icons of the navigation, drawn with the text's colour; names beside them say what they are.
const shapes: Record<string, string> = {
  fleet: "M3 13h4v4H3zM8 8h4v9H8zM13 3h4v14h-4z",
  devices: "M4 5h12v8H4zM8 16h4M10 13v3",
  enrolment: "M10 4v12M4 10h12",
  models: "M10 3l7 4-7 4-7-4zM3 11l7 4 7-4",
  releases: "M4 6l6-3 6 3v8l-6 3-6-3zM4 6l6 3 6-3M10 9v8",
  approvals: "M4 10l4 4 8-9",
  repository:
    "M4 5c0-1 3-2 6-2s6 1 6 2v10c0 1-3 2-6 2s-6-1-6-2z" +
    "M4 5c0 1 3 2 6 2s6-1 6-2M4 10c0 1 3 2 6 2s6-1 6-2",
  rollouts: "M3 16h3v-4h4V8h4V4h3",
  audit: "M5 3h7l3 3v11H5zM8 9h4M8 12h4",
  people: "M10 9a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM4 17c0-3 3-5 6-5s6 2 6 5",
  menu: "M3 6h14M3 10h14M3 14h14",
};

export function Icon(props: { name: string }) {
  return (
    <svg class="icon" viewBox="0 0 20 20" aria-hidden="true" focusable="false">
      <path d={shapes[props.name] ?? ""} />
    </svg>
  );
}

export function Mark() {
  return (
    <svg class="mark" viewBox="0 0 32 32" aria-hidden="true" focusable="false">
      <rect width="32" height="32" rx="7" />
      <path d="M5 20h5l4-9h4l4 9h5" />
      <path class="water" d="M6 25.500c2-1.400 4-1.400 6 0s4 1.400 6 0 4-1.400 6 0" />
    </svg>
  );
}
