// The Benchmark tab: figures and commands to the clipboard, the table as a file.
document.addEventListener('click', (event) => {
  const button = event.target instanceof Element && event.target.closest('button');
  if (!button) return;
  const {copied, figuresCsv, name} = button.dataset;
  if (copied) {
    const words = button.textContent;
    // Without HTTPS a browser has no clipboard to write to.
    const written = navigator.clipboard?.writeText(copied) ?? Promise.reject(new Error('no clipboard'));
    written.then(() => 'Copied', () => 'Not allowed here').then((said) => {
      button.textContent = said;
      setTimeout(() => { button.textContent = words; }, 1500);
    });
  }
  if (figuresCsv) vehicleDemo.download(new Blob([figuresCsv], {type: 'text/csv'}), name);
});
