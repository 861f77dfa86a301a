// Picture files that come in and go out.

// Calls `take` with a file that is chosen, dropped or pasted.
export function listen(input, stage, take) {
  input.addEventListener("change", () => {
    if (input.files[0]) take(input.files[0]);
    input.value = ""; // the same one may be chosen again
  });
  for (const [name, over] of [["dragover", true], ["dragleave", false], ["drop", false]]) {
    stage.addEventListener(name, (event) => {
      event.preventDefault();
      stage.classList.toggle("dropping", over);
      if (name === "drop" && event.dataTransfer.files[0]) take(event.dataTransfer.files[0]);
    });
  }
  addEventListener("paste", (event) => {
    const file = [...event.clipboardData.files].find(({ type }) => type.startsWith("image/"));
    if (file) take(file);
  });
}

// Saves a file under a name.
export function save(file, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

// "photo.jpg" and "mask.png" make "photo_mask.png".
export const named = (name, ending) => `${name.replace(/\.[^.]*$/, "") || "picture"}_${ending}`;
