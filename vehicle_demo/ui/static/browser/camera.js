// Taking a photo: by the phone's own camera app, elsewhere through the browser in a dialog.

/** Hands the photo that the visitor takes to `use`, as a file; `refuse` hears a sentence where there is no camera. */
export function mountCamera(button, {capture, dialog, use, refuse}) {
  const video = dialog.querySelector('video'), take = dialog.querySelector('[data-take]');
  let stream;
  const stop = () => {
    stream?.getTracks().forEach((track) => track.stop());
    stream = null;
  };
  capture.addEventListener('change', () => {
    if (capture.files[0]) use(capture.files[0]);
    capture.value = '';
  });
  dialog.addEventListener('close', stop);
  dialog.querySelector('[data-close]').addEventListener('click', () => dialog.close());
  take.addEventListener('click', async () => {
    const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight);
    canvas.getContext('2d').drawImage(video, 0, 0);
    dialog.close();
    use(await canvas.convertToBlob({type: 'image/png'}));
  });
  button.addEventListener('click', async () => {
    if (matchMedia('(pointer: coarse)').matches || !navigator.mediaDevices) {
      capture.click();
      return;
    }
    try {
      stream = await navigator.mediaDevices.getUserMedia({video: {width: {ideal: 1920}, facingMode: 'environment'}});
    } catch (error) {
      refuse(error.name === 'NotAllowedError' ? 'The browser does not let this page use the camera. Allow it, or choose a photo.' : 'There is no camera here. Choose a photo.');
      return;
    }
    video.srcObject = stream;
    // Before the first picture there is nothing to take.
    take.disabled = true;
    dialog.showModal();
    await video.play();
    take.disabled = false;
  });
}
